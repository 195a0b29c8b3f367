"""Whether two injection webhooks match the same pod; webhooks that cannot answer. Called by `health` and `tags`.

The grid of labels is the one of Istio's webhook analyzer (IST0139); what the analyzer misses, namespaces as they really
are and injectors of other revisions, is looked at as well.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product

import msgspec

from pilotage.decide.default_tag import deactivated
from pilotage.decide.selectors import is_injector, matches, revisions
from pilotage.domain.findings import Finding
from pilotage.domain.istio import Selector, Webhook, WebhookConfig
from pilotage.domain.names import DEFAULT_REVISION, INJECT, INJECTION, REV
from pilotage.domain.state import Snapshot

Labels = Mapping[str, str]
_UNKNOWN = "a-revision-nobody-has"
_OF_CHART = "istio-sidecar-injector"  # how Istio's chart begins the names of its own
_SHOWN = 5
_NAMESPACES = ("enabled", "disabled")
_PODS = ("true", "false")


class Overlap(msgspec.Struct, frozen=True):
    """Configurations that match one pod at once; the first combination of labels that shows it; who is really hit."""

    configs: tuple[WebhookConfig, ...]
    namespace_labels: dict[str, str]
    pod_labels: dict[str, str]
    namespaces: tuple[str, ...]


def overlaps(snapshot: Snapshot) -> tuple[Overlap, ...]:
    """Every set of configurations that two or more webhooks share a pod in. None: 0 or 1 webhook matches everywhere."""
    hooks = [(config, hook) for config in snapshot.injectors for hook in config.webhooks if is_injector(hook)]
    grid = _grid(hooks, INJECT, _PODS)
    masks = [(labels, _mask(labels, (hook.pods for _, hook in hooks))) for labels in grid]
    found: dict[tuple[str, ...], Overlap] = {}
    for space in _grid(hooks, INJECTION, _NAMESPACES):
        here = _mask(space, (hook.namespaces for _, hook in hooks))
        for pod, mask in masks:
            if (here & mask).bit_count() > 1:
                _note(found, Overlap(_at(hooks, here & mask), space, pod, ()))
    asked = _asked(snapshot)
    for namespace in snapshot.namespaces:
        here = _mask(namespace.labels, (hook.namespaces for _, hook in hooks))
        for pod in ({}, *map(dict, asked.get(namespace.name, ()))):
            both = here & _mask(pod, (hook.pods for _, hook in hooks))
            if both.bit_count() > 1:
                _note(found, Overlap(_at(hooks, both), namespace.labels, pod, (namespace.name,)))
    return tuple(found.values())


def _at(hooks: list[tuple[WebhookConfig, Webhook]], mask: int) -> tuple[WebhookConfig, ...]:
    return tuple(config for at, (config, _) in enumerate(hooks) if mask & 1 << at)


def _asked(snapshot: Snapshot) -> dict[str, set[tuple[tuple[str, str], ...]]]:
    """By namespace, the labels about injection that pods and pod templates really carry."""
    asked: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    templates = ((each.namespace, each.labels) for each in snapshot.workloads)
    pods = ((each.namespace, each.labels) for each in snapshot.pods if not each.finished)
    for namespace, labels in (*templates, *pods):
        found = tuple((key, labels[key]) for key in (REV, INJECT) if key in labels)
        asked.setdefault(namespace, set()).update((found,) if found else ())
    return asked


def _mask(labels: Labels, selectors: Iterable[Selector]) -> int:
    """Bit n is set where the n-th selector matches."""
    return sum(1 << at for at, selector in enumerate(selectors) if matches(selector, labels))


def _grid(hooks: list[tuple[WebhookConfig, Webhook]], key: str, values: tuple[str, str]) -> list[dict[str, str]]:
    """Labels istio.io/rev (any known name, an unknown one, absent) by `key` (either value, absent)."""
    named = {name for _, hook in hooks for name in _revisions_in(hook)} | {config.revision for config, _ in hooks}
    both = product((None, *sorted(named), _UNKNOWN), (None, *values))
    return [{name: value for name, value in ((REV, rev), (key, other)) if value} for rev, other in both]


def _note(found: dict[tuple[str, ...], Overlap], seen: Overlap) -> None:
    key = tuple(sorted({config.name for config in seen.configs}))
    known = found.setdefault(key, seen)
    more = tuple(name for name in seen.namespaces if name not in known.namespaces)
    found[key] = msgspec.structs.replace(known, namespaces=(*known.namespaces, *more))


def overlap_findings(snapshot: Snapshot) -> tuple[Finding, ...]:
    """`WebhookOverlap`, one for each set of configurations that can inject the same pod twice."""
    return tuple(_finding(snapshot, overlap) for overlap in overlaps(snapshot))


def _finding(snapshot: Snapshot, overlap: Overlap) -> Finding:
    names = sorted({config.name for config in overlap.configs})
    where = ", ".join(overlap.namespaces[:_SHOWN]) + (" and more" if len(overlap.namespaces) > _SHOWN else "")
    hit = f"namespaces hit: {where}" if overlap.namespaces else "no namespace is hit now"
    who = " and ".join(names) if len(names) > 1 else f"two webhooks of {names[0]}"
    labels = f"namespace labels {_text(overlap.namespace_labels)}, pod labels {_text(overlap.pod_labels)}"
    return Finding(
        "WebhookOverlap",
        f"{who} inject the same pod ({labels}); {hit}",
        subject=" ".join(names),
        fix=_fix(snapshot, overlap.configs),
    )


def _fix(snapshot: Snapshot, configs: tuple[WebhookConfig, ...]) -> str:
    tagged = sorted({(config.tag, config.revision) for config in configs if config.tag})
    own = [config for config in configs if not config.tag]
    default = next((revision for tag, revision in tagged if tag == DEFAULT_REVISION), None)
    if default and any(config.revision == DEFAULT_REVISION for config in own):
        return f"pilotage tag set default --revision {default} --overwrite"
    if tagged:
        return f"pilotage tag remove {tagged[0][0]}"
    there = {plane.revision for plane in snapshot.control_planes}
    # Of a revision's own two the chart's stays: Pilotage would only put it back.
    stray = min(reversed(own), key=lambda it: (it.revision in there, it.ours, it.name.startswith(_OF_CHART)))
    return f"kubectl delete {stray.kind.lower()} {stray.name}"


def webhook_findings(snapshot: Snapshot) -> tuple[Finding, ...]:
    """`WebhookDangling` and `CABundleEmpty`, one for each configuration. The subject of the latter is its revision."""
    configs = (*snapshot.injectors, *snapshot.validators)
    return tuple(finding for config in configs for finding in _webhook_findings(snapshot, config))


def _webhook_findings(snapshot: Snapshot, config: WebhookConfig) -> Iterator[Finding]:
    live = [hook for hook in config.webhooks if not deactivated(hook)]
    missing = sorted({hook.service for hook in live if hook.service and hook.service not in snapshot.services})
    if missing and "services" not in snapshot.unknown:
        dead = ", ".join(f"{namespace}/{name}" for namespace, name in missing)
        fails = any(hook.failure_policy == "Fail" for hook in live)
        effect = "every request it matches fails" if fails else "it does nothing"
        yield Finding(
            "WebhookDangling",
            f"{config.kind} {config.name} calls Service {dead}, which does not exist: {effect}",
            subject=config.name,
            fix=_dangling_fix(snapshot, config),
        )
    elif any(hook.service and not hook.ca_bundle for hook in live):
        yield Finding(
            "CABundleEmpty",
            f"{config.kind} {config.name} has no caBundle: the API server cannot call istiod of {config.revision}",
            subject=config.revision,
            fix=f"kubectl logs -n {snapshot.profile.namespace} -l app=istiod,istio.io/rev={config.revision}",
        )


def _dangling_fix(snapshot: Snapshot, config: WebhookConfig) -> str:
    others = [name for name in revisions(snapshot) if name != config.revision]
    if config.tag and others:
        return f"pilotage tag set {config.tag} --revision {others[-1]} --overwrite"
    return f"pilotage tag remove {config.tag}" if config.tag else f"kubectl delete {config.kind.lower()} {config.name}"


def _revisions_in(hook: Webhook) -> Iterator[str]:
    for selector in (hook.namespaces, hook.pods):
        for line in selector.requirements:
            if line.key == REV:
                yield from line.values


def _text(labels: dict[str, str]) -> str:
    chosen = {key: labels[key] for key in (REV, INJECTION, INJECT) if key in labels}
    return ",".join(f"{key}={value}" for key, value in chosen.items()) or "none"
