"""Revision tags, interchangeable with `istioctl tag`: made by either, seen and moved by both.

Called by the CLI's `tag` verbs (direct writes with the user's rights) and by `removal`, which repoints idle tags.
A tag is known by its labels alone. Refusals that begin in lower case are in istioctl's words.
"""

from collections.abc import Iterator

import msgspec

from pilotage.decide.default_tag import deactivation, live_validator, restoration, unnamed_injector, validator
from pilotage.decide.overlap import overlap_findings
from pilotage.decide.selectors import is_injector
from pilotage.decide.tag_objects import (
    ADMISSION,
    Source,
    injector_object,
    service_object,
    tag_webhooks,
    validator_object,
)
from pilotage.decide.tag_source import check_name, check_owner, services_of, source_of
from pilotage.decide.taglist import namespaces_with
from pilotage.domain.actions import Action, Apply, Delete
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding
from pilotage.domain.istio import Webhook, WebhookConfig
from pilotage.domain.names import DEFAULT_REVISION, REV, TAG, tag_webhook
from pilotage.domain.objects import Obj, ObjectRef
from pilotage.domain.state import Snapshot


class TagRequest(msgspec.Struct, frozen=True):
    """What `tag set` and `tag generate` are asked for; fields are istioctl's flags."""

    tag: str
    revision: str
    overwrite: bool = False
    auto_inject_namespaces: bool = False
    webhook_name: str = ""
    skip_confirmation: bool = False


def set_tag(snapshot: Snapshot, request: TagRequest) -> tuple[Action, ...]:
    """The writes that create or move a tag; repeating them changes nothing.

    Raises Refused (istioctl's reasons, an owner, an overlap that nobody confirmed), Retry while the revision's caBundle
    is empty: a tag written then would fail closed and stop every pod it selects.
    """
    check_name(snapshot, request.tag)
    source = _source(snapshot, request)
    for config in snapshot.injectors:
        if config.tag == request.tag and config.revision != request.revision:
            print_it = f"pilotage tag generate {request.tag} --revision {request.revision} --overwrite"
            check_owner(config, f"change it there: {print_it}")
    conflicts = () if request.skip_confirmation else tag_conflicts(snapshot, request)
    if conflicts:
        message = f"creating tag would conflict, pass --skip-confirmation to proceed: {conflicts[0].message}"
        raise Refused(message, fix=conflicts[0].fix, findings=conflicts)
    return tuple(_writes(snapshot, request, source))


def tags_of(snapshot: Snapshot, revision: str) -> tuple[str, ...]:
    """Tags that point at the revision: by webhooks, or by a Service whose webhooks are gone."""
    services = (each.tag for each in snapshot.revision_services if each.revision == revision)
    injectors = (config.tag for config in snapshot.injectors if config.revision == revision)
    return tuple(sorted({*services, *injectors} - {""}))


def repoint(snapshot: Snapshot, tag: str, revision: str) -> tuple[Action, ...]:
    """Moves a tag at the removal of its revision, whoever owns it: left alone it would stop every pod it selects.

    Of a tag without webhooks the Service moves alone: nobody asked for pods to be injected that are not now.
    Raises Refused or Retry where `revision` cannot take it.
    """
    request, source = TagRequest(tag, revision, overwrite=True), source_of(snapshot, revision)
    if any(config.tag == tag for config in snapshot.injectors):
        return tuple(_writes(snapshot, request, source))
    return (_service_write(snapshot, request, source),)


def generate(snapshot: Snapshot, request: TagRequest) -> tuple[Obj, ...]:
    """The objects of a tag, printed for someone else to apply. Raises as `set_tag`, but looks at no conflict."""
    source = _source(snapshot, request)
    name = request.webhook_name or tag_webhook(request.tag, snapshot.profile.namespace)
    hooks = tag_webhooks(source, request.tag, request.auto_inject_namespaces)
    injector = injector_object(source, request.tag, name, hooks)
    service = service_object(source, request.tag, snapshot.profile.namespace)
    if request.tag != DEFAULT_REVISION:
        return (injector, service)
    live = live_validator(snapshot)
    proven = live is not None and all(hook.failure_policy == "Fail" for hook in live.webhooks)
    return (injector, validator_object(source, "" if proven else "Ignore"), service)


def tag_conflicts(snapshot: Snapshot, request: TagRequest) -> tuple[Finding, ...]:
    """Overlaps that the tag would bring: those of the world with it in which it has a part. Raises as `set_tag`."""
    source = _source(snapshot, request)
    others = [config for config in snapshot.injectors if config.tag != request.tag]
    if request.tag == DEFAULT_REVISION:
        others = [config for config in others if config is not unnamed_injector(snapshot)]
    name = _webhook_name(snapshot, request)
    labels = {REV: request.revision, TAG: request.tag}
    made = WebhookConfig("MutatingWebhookConfiguration", name, labels, {}, _hooks(snapshot, request, source))
    with_it = msgspec.structs.replace(snapshot, injectors=(*others, made))
    return tuple(finding for finding in overlap_findings(with_it) if name in finding.subject.split())


def remove_tag(snapshot: Snapshot, tag: str) -> tuple[tuple[Action, ...], tuple[str, ...]]:
    """The writes that remove a tag, webhooks before the Service, and the namespaces it still injects.

    Raises Refused where there is no such tag, or another tool would put it back.
    """
    webhooks = [config for config in snapshot.injectors if config.tag == tag]
    services = services_of(snapshot, tag)
    if not webhooks and not services:
        raise Refused(
            f'cannot remove tag "{tag}": cannot find MutatingWebhookConfiguration or Service for tag',
            fix="pilotage tag list",
        )
    for config in webhooks:
        check_owner(config, f"remove tag {tag} there")
    validators = [config for config in snapshot.validators if config.tag == tag]
    gone = f"tag {tag} is removed"
    actions = [
        *(Delete(_ref(config), gone) for config in (*webhooks, *validators)),
        *(restoration(snapshot) if tag == DEFAULT_REVISION else ()),
        *(Delete(ObjectRef("v1", "Service", each.namespace, each.name), gone) for each in services),
    ]
    return tuple(actions), namespaces_with(snapshot, tag)


def _source(snapshot: Snapshot, request: TagRequest) -> Source:
    source = source_of(snapshot, request.revision)
    exists = any(config.tag == request.tag for config in snapshot.injectors) or services_of(snapshot, request.tag)
    if exists and not request.overwrite:
        text = f'revision tag "{request.tag}" already exists, and --overwrite is false'
        raise Refused(text, fix=f"pilotage tag set {request.tag} --revision {request.revision} --overwrite")
    return source


def _writes(snapshot: Snapshot, request: TagRequest, source: Source) -> Iterator[Action]:
    tag, name = request.tag, _webhook_name(snapshot, request)
    if tag == DEFAULT_REVISION:
        yield from deactivation(snapshot)
    why = f"tag {tag} points at {request.revision}"
    yield Apply(injector_object(source, tag, name, _hooks(snapshot, request, source)), why)
    if tag == DEFAULT_REVISION:
        yield from validator(snapshot, source)
    yield _service_write(snapshot, request, source)
    for config in snapshot.injectors:
        if config.tag == tag and config.name != name:
            yield Delete(_ref(config), f"tag {tag} lives in {name} now")


def _service_write(snapshot: Snapshot, request: TagRequest, source: Source) -> Apply:
    body = service_object(source, request.tag, snapshot.profile.namespace)
    return Apply(body, f"tag {request.tag} points at {request.revision}")


def _hooks(snapshot: Snapshot, request: TagRequest, source: Source) -> tuple[Webhook, ...]:
    """The tag's webhooks. One that is there besides (auto-injection) moves along: it would call the old istiod else."""
    made = tag_webhooks(source, request.tag, request.auto_inject_namespaces)
    names = {hook.name for hook in made}
    name = _webhook_name(snapshot, request)
    there = (config for config in snapshot.injectors if config.tag == request.tag and config.name == name)
    more = (hook for config in there for hook in config.webhooks if is_injector(hook) and hook.name not in names)
    return (*made, *more)


def _webhook_name(snapshot: Snapshot, request: TagRequest) -> str:
    """The tag's object keeps its name where it has one, whoever made it."""
    there = next((config.name for config in snapshot.injectors if config.tag == request.tag), "")
    return request.webhook_name or there or tag_webhook(request.tag, snapshot.profile.namespace)


def _ref(config: WebhookConfig) -> ObjectRef:
    return ObjectRef(ADMISSION, config.kind, "", config.name)
