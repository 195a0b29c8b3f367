"""Whether a tag may be set, and what it takes from the revision it points at. Called by `tags` and `holders`.

Refusals that begin in lower case are in istioctl's words.
"""

import re
from collections.abc import Iterator

from pilotage.decide.ownership import FieldOwner, owner_of
from pilotage.decide.selectors import is_injector, revisions, tags
from pilotage.decide.tag_objects import Source
from pilotage.domain.errors import Refused, Retry
from pilotage.domain.findings import Finding
from pilotage.domain.istio import RevisionService, WebhookConfig
from pilotage.domain.names import DEFAULT_REVISION, REV
from pilotage.domain.state import Snapshot

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def check_name(snapshot: Snapshot, tag: str) -> None:
    """Raises Refused. Unlike istioctl, --overwrite does not let a tag take a live revision's name (istio#56128)."""
    if not _NAME.fullmatch(tag):
        raise Refused(
            f'"{tag}" is no name for a tag: use at most 40 lower-case letters, digits and "-"',
            fix="pilotage tag set --help",
        )
    taken = tag in revisions(snapshot) or any(each.revision == tag for each in services_of(snapshot, ""))
    if taken and tag != DEFAULT_REVISION:
        text = f'cannot create revision tag "{tag}": found existing control plane revision with same name'
        raise Refused(text, fix="use another name", findings=(Finding("TagNameTaken", text, tag),))


def named_like_a_tag(snapshot: Snapshot, revision: str) -> Iterator[Finding]:
    """`TagNameTaken` for a revision to come: pods that ask for the tag would ask for it too, before any decision."""
    if revision in tags(snapshot):
        at = tags(snapshot)[revision]
        words = f"there is a tag {revision}, at {at}: its pods would get the proxy of the new revision at once"
        yield Finding("TagNameTaken", words, revision, f"use another name, or: pilotage tag remove {revision}")


def source_of(snapshot: Snapshot, revision: str) -> Source:
    """What a tag that points at `revision` takes from its injector.

    Raises Refused where there is none or more than one, Retry while its caBundle is empty.
    """
    own = [config for config in snapshot.injectors if config.revision == revision and not config.tag]
    services = [each for each in services_of(snapshot, "") if each.revision == revision]
    if not own:
        missing = "MutatingWebhookConfiguration" if services else "MutatingWebhookConfiguration or Service"
        there = ", ".join(revisions(snapshot)) or "none"
        text = f'cannot modify tag: cannot find {missing} with revision "{revision}" (there: {there})'
        found = Finding("TagTargetMissing", text, revision, "pilotage tag list")
        raise Refused(text, fix=found.fix, findings=(found,))
    if len(own) > 1 or len(services) > 1:
        text = f'cannot modify tag: found multiple canonical webhooks or services with revision "{revision}"'
        raise Refused(text, fix=f"kubectl get mutatingwebhookconfiguration -l {REV}={revision}")
    return _taken(own[0])


def _taken(config: WebhookConfig) -> Source:
    at = next((at for at, hook in enumerate(config.webhooks) if is_injector(hook)), None)
    if at is None:
        text = f'could not find sidecar-injector webhook in canonical webhook "{config.name}"'
        raise Refused(text, fix=f"kubectl get mutatingwebhookconfiguration {config.name} -o yaml")
    hook = config.webhooks[at]
    if not hook.ca_bundle and not hook.url:
        raise Retry(f"{config.kind} {config.name} has no caBundle yet: istiod of {config.revision} has not filled it")
    raw = config.raw["webhooks"][at]
    where = (hook.service, hook.path, hook.url, hook.ca_bundle)
    return Source(config.revision, *where, raw.get("reinvocationPolicy", ""), config.labels, config.annotations)


def tag_owner(config: WebhookConfig) -> FieldOwner | None:
    """Who keeps a tag where it points."""
    return owner_of(config.raw, ("metadata", "labels", REV))


def check_owner(config: WebhookConfig, fix: str) -> None:
    """Raises Refused, with what to do instead, where another tool would put the tag back."""
    owner = tag_owner(config)
    if owner:
        text = f"tag {config.tag} ({config.kind} {config.name}) is kept by {owner}, which would put it back"
        raise Refused(text, fix=fix, findings=(Finding("FieldOwned", text, config.name, fix),))


def services_of(snapshot: Snapshot, tag: str) -> tuple[RevisionService, ...]:
    """Services of a tag; for "" those of control planes."""
    found = (each for each in snapshot.revision_services if each.tag == tag)
    return tuple(each for each in found if tag or each.labels.get("app") == "istiod")
