"""What only tag `default` does: it takes over from an installation without a name, and gives back. Called by `tags`."""

import json
from collections.abc import Iterator

from pilotage.decide.tag_objects import ADMISSION, Source, raw_selector, tag_webhooks, validator_object
from pilotage.domain.actions import Action, Apply
from pilotage.domain.errors import Refused
from pilotage.domain.istio import Selector, Webhook, WebhookConfig
from pilotage.domain.names import CREATE_MANAGER, DEFAULT_REVISION, DEFAULT_VALIDATOR, SAVED_SELECTORS
from pilotage.domain.objects import Obj
from pilotage.domain.state import Snapshot

_NEVER: Obj = {"matchLabels": {"istio.io/deactivated": "never-match"}}


def unnamed_injector(snapshot: Snapshot) -> WebhookConfig | None:
    """The injector of the installation without a name: it and tag `default` would inject the same pods."""
    found = (config for config in snapshot.injectors if config.revision == DEFAULT_REVISION and not config.tag)
    return next(found, None)


def deactivated(webhook: Webhook) -> bool:
    return _never(webhook.namespaces) or _never(webhook.pods)


def _never(selector: Selector) -> bool:
    return any(line.key == "istio.io/deactivated" for line in selector.requirements)


def deactivation(snapshot: Snapshot) -> Iterator[Action]:
    """Makes the unnamed injector match nothing, as istioctl does, and saves what it matched (istioctl does not).

    Raises Refused where that injector is one that Pilotage keeps as its chart says.
    """
    config = unnamed_injector(snapshot)
    if config is None or all(map(deactivated, config.webhooks)):
        return
    if config.ours:
        raise Refused(
            'cannot set tag "default": Pilotage keeps the control plane without a name, which serves "default" already',
            fix="use another tag",
        )
    saved = json.dumps({hook.name: _selectors(hook) for hook in config.webhooks}, sort_keys=True)
    never = {hook.name: {"namespaceSelector": _NEVER, "objectSelector": _NEVER} for hook in config.webhooks}
    yield _selecting(config, never, {SAVED_SELECTORS: saved}, 'tag "default" takes over from it')


def restoration(snapshot: Snapshot) -> Iterator[Action]:
    """Gives the unnamed injector its selectors back: the saved ones, or else those of its chart."""
    config = unnamed_injector(snapshot)
    if config is None or config.ours or not any(map(deactivated, config.webhooks)):
        return
    standard = {hook.name: _selectors(hook) for hook in tag_webhooks(_nowhere(), DEFAULT_REVISION, auto_inject=True)}
    known = standard | _saved(config)
    before = {hook.name: known[hook.name] for hook in config.webhooks if hook.name in known}
    yield _selecting(config, before, {}, 'serves "default" again')


def validator(snapshot: Snapshot, source: Source) -> Iterator[Action]:
    """Points the default validator at the tag's revision. One that Pilotage installed moves at `complete`, not here."""
    live = live_validator(snapshot)
    if live is not None and live.ours:
        return
    why = f'tag "default" is served by {source.revision}'
    if live is None:  # Ignore until istiod has proven itself; left out, the API server would say Fail at once
        yield Apply(validator_object(source, "Ignore"), why, CREATE_MANAGER)
    yield Apply(validator_object(source), why)


def live_validator(snapshot: Snapshot) -> WebhookConfig | None:
    return next((config for config in snapshot.validators if config.name == DEFAULT_VALIDATOR), None)


def _selecting(config: WebhookConfig, selectors: dict[str, Obj], annotations: dict[str, str], why: str) -> Apply:
    metadata = {"name": config.name} | ({"annotations": annotations} if annotations else {})
    webhooks = [{"name": name} | both for name, both in selectors.items()]
    return Apply({"apiVersion": ADMISSION, "kind": config.kind, "metadata": metadata, "webhooks": webhooks}, why)


def _selectors(webhook: Webhook) -> Obj:
    return {"namespaceSelector": raw_selector(webhook.namespaces), "objectSelector": raw_selector(webhook.pods)}


def _saved(config: WebhookConfig) -> dict[str, Obj]:
    try:
        saved = json.loads(config.annotations.get(SAVED_SELECTORS, "{}"))
    except (ValueError, RecursionError):
        return {}  # edited by hand: the chart's selectors then
    return saved if isinstance(saved, dict) else {}


def _nowhere() -> Source:
    return Source(DEFAULT_REVISION, None, "", "", "", "", {}, {})
