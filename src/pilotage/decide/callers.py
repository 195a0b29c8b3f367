"""Webhooks that would call nothing once a revision is gone. Called by `removal`, and by `usage` for `disable`.

One that fails closed at nothing stops every pod, or every write, that it matches.
"""

from collections.abc import Iterator

from pilotage.decide.freeing import move_tag
from pilotage.decide.inventory import parts_present
from pilotage.decide.tags import tags_of
from pilotage.domain.findings import Finding
from pilotage.domain.istio import WebhookConfig
from pilotage.domain.names import BASE, DEFAULT_REVISION, DEFAULT_VALIDATOR, PART, suffixed
from pilotage.domain.state import Revision, Snapshot


def callers(snapshot: Snapshot, revision: str, survivor: Revision) -> Iterator[Finding]:
    """`RevisionInUse` for webhooks that call the revision's istiod and neither go with it nor are repointed."""
    tags = tags_of(snapshot, revision)
    for config in _calling(snapshot, revision):
        goes = config.ours and config.labels.get(PART) == revision
        validates = config.name == DEFAULT_VALIDATOR and config.ours and survivor.managed
        if not (goes or validates or _moves(snapshot, config, tags)):
            yield _finding(config, revision, _fix(snapshot, config, survivor.name))


def left_calling(snapshot: Snapshot, revision: str) -> Iterator[Finding]:
    """The same where no control plane of ours stays: what is ours goes, and its tags."""
    tags = tags_of(snapshot, revision)
    ours = revision in parts_present(snapshot.live)
    for config in _calling(snapshot, revision) if ours else ():
        goes = config.ours and config.labels.get(PART) in (revision, BASE)
        if not (goes or config.tag in tags):
            yield _finding(config, revision, f"kubectl delete {config.kind.lower()} {config.name}")


def _calling(snapshot: Snapshot, revision: str) -> Iterator[WebhookConfig]:
    service = (snapshot.profile.namespace, suffixed("istiod", revision))
    for config in (*snapshot.injectors, *snapshot.validators):
        if any(webhook.service == service for webhook in config.webhooks):
            yield config


def _moves(snapshot: Snapshot, config: WebhookConfig, tags: tuple[str, ...]) -> bool:
    """Whether repointing the revision's tags writes this object: by its label, for what it calls may say otherwise."""
    if config.tag not in tags:
        return False
    written = _object_of(snapshot, config.tag)
    if config.name == DEFAULT_VALIDATOR:
        return bool(written) and config.tag == DEFAULT_REVISION
    return config.name == written


def _object_of(snapshot: Snapshot, tag: str) -> str:
    """The one that `tag set` writes; "" where the tag injects nothing."""
    return next((config.name for config in snapshot.injectors if config.tag == tag), "")


def _fix(snapshot: Snapshot, config: WebhookConfig, survivor: str) -> str:
    if config.tag and config.name == _object_of(snapshot, config.tag):
        return move_tag(config.tag, survivor)
    return f"point it at {suffixed('istiod', survivor)}: kubectl edit {config.kind.lower()} {config.name}"


def _finding(config: WebhookConfig, revision: str, fix: str) -> Finding:
    message = f"{config.kind} {config.name} calls istiod of {revision} and would fail at nothing"
    return Finding("RevisionInUse", message, revision, fix)
