"""Which revision would inject a pod: label selectors as Kubernetes has them. Called by every rule about injection."""

from collections.abc import Mapping

from pilotage.domain.istio import Requirement, Selector, Webhook, WebhookConfig
from pilotage.domain.names import (
    DEFAULT_REVISION,
    INJECT,
    INJECTION,
    INJECTOR_SUFFIX,
    REV,
    SYSTEM_NAMESPACES,
)
from pilotage.domain.state import Snapshot

Labels = Mapping[str, str]


def matches(selector: Selector, labels: Labels) -> bool:
    """All requirements hold. As in Kubernetes, NotIn holds for an absent key, and no requirement holds for all."""
    return all(_holds(requirement, labels) for requirement in selector.requirements)


def _holds(requirement: Requirement, labels: Labels) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False


def injecting(
    injectors: tuple[WebhookConfig, ...], namespace_labels: Labels, pod_labels: Labels
) -> tuple[tuple[WebhookConfig, Webhook], ...]:
    """The injection webhooks that match such a pod, in the order the API server calls them: by name of the object."""
    return tuple(
        (config, webhook)
        for config in sorted(injectors, key=lambda config: config.name)
        for webhook in config.webhooks
        if is_injector(webhook) and matches(webhook.namespaces, namespace_labels) and matches(webhook.pods, pod_labels)
    )


def is_injector(webhook: Webhook) -> bool:
    return webhook.name.endswith(INJECTOR_SUFFIX)


def selected_revision(snapshot: Snapshot, namespace: str, pod_labels: Labels) -> str | None:
    """The revision that would inject a new pod with these labels there now, tags resolved; None where nobody would.

    istiod itself skips the four system namespaces, whatever a webhook's selector says.
    """
    if namespace in SYSTEM_NAMESPACES:
        return None
    found = injecting(snapshot.injectors, namespace_labels(snapshot, namespace), pod_labels)
    return served_by(*found[0]) if found else None


def served_by(config: WebhookConfig, webhook: Webhook) -> str:
    """The revision behind a webhook: by label, and for an object without one by the Service it calls."""
    if config.revision:
        return config.revision
    service = webhook.service[1] if webhook.service else ""
    return service.removeprefix("istiod-") if service.startswith("istiod-") else DEFAULT_REVISION


def namespace_labels(snapshot: Snapshot, name: str) -> Labels:
    """Its labels, with the one every API server adds; only that one for a namespace that is not there."""
    return {"kubernetes.io/metadata.name": name} | snapshot.labels_by_namespace.get(name, {})


def asked_name(namespace: Labels, pod: Labels) -> str | None:
    """The tag or revision that a pod's and its namespace's labels ask for, whether it is there or not.

    As the webhooks decide: `istio-injection` (it asks for `default`) beats `istio.io/rev`, namespace beats pod.
    """
    if pod.get(INJECT) == "false" or namespace.get(INJECTION, "enabled") != "enabled":
        return None
    if INJECTION in namespace:
        return DEFAULT_REVISION
    by_inject = DEFAULT_REVISION if pod.get(INJECT) == "true" else None
    return namespace.get(REV) or pod.get(REV) or by_inject


def revision_of_name(snapshot: Snapshot, name: str) -> str | None:
    """What a value of label istio.io/rev stands for: the revision itself, or the one a tag of that name points at.

    Tag `default` beats an installation without a name, which is deactivated when that tag is set.
    """
    pointed = tags(snapshot).get(name)
    if pointed and (name == DEFAULT_REVISION or name not in revisions(snapshot)):
        return pointed
    return name if name in revisions(snapshot) else None


def revisions(snapshot: Snapshot) -> tuple[str, ...]:
    """Names of the revisions that are there: by istiod, or by a webhook of their own."""
    by_webhook = {config.revision for config in snapshot.injectors if not config.tag}
    return tuple(sorted(({plane.revision for plane in snapshot.control_planes} | by_webhook) - {""}))


def tags(snapshot: Snapshot) -> dict[str, str]:
    """Tag -> revision, by labels only, of tags that inject."""
    return {config.tag: config.revision for config in snapshot.injectors if config.tag}
