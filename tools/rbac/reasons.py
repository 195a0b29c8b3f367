"""Why Pilotage reads and writes each resource, in words for rule files and docs/rbac.md. Used by `files`."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from pilotage.domain.roles import Right
from tools.rbac.rules import Rule

_READING: Final = frozenset({"get", "list", "watch"})


class Reason(NamedTuple):
    """`read` and `write`: the end of a sentence that starts with the verbs."""

    read: str = ""
    write: str = ""


_INSTALLED: Final = "part of an installed control plane: it is compared with what should stand there"
_INSTALLS: Final = "install, mend and remove a control plane's own, object by object"

REASONS: Final[Mapping[str, Reason]] = {
    "configmaps": Reason(
        "mesh configuration of each revision, and a catalog where one is named",
        "mesh configuration of a revision: copied to the canary, deleted with the revision",
    ),
    "events.events.k8s.io": Reason("whether it was said before", "say beside the resource what changed and why"),
    "namespaces": Reason(
        "labels say which revision injects a namespace's pods",
        "move a namespace to a tag or revision; make the mesh's own",
    ),
    "nodes": Reason("whether a second control plane finds room"),
    "pods": Reason(
        "which proxy runs where, of which revision, and whether it is ready",
        "create, as a dry run only: what does injection make of a pod now? The admission policy refuses any other",
    ),
    "pods/portforward": Reason(
        "ask each istiod which proxies are connected, in sync and rejecting",
        "the same: asked as create too since Kubernetes 1.35",
    ),
    "resourcequotas": Reason("whether a quota of the mesh's namespace leaves room for a second control plane"),
    "serviceaccounts": Reason(_INSTALLED, _INSTALLS),
    "services": Reason("whether what a webhook calls is there; Services of tags", f"{_INSTALLS}; a tag's Service"),
    "daemonsets.apps": Reason("workloads with a proxy", "restart: an annotation on the pod template"),
    "deployments.apps": Reason(
        "istiod's Deployments, and workloads with a proxy",
        f"restart: an annotation on the pod template; {_INSTALLS}",
    ),
    "statefulsets.apps": Reason("workloads with a proxy", "restart: an annotation on the pod template"),
    "cronjobs.batch": Reason("suspended ones hold a revision too"),
    "jobs.batch": Reason("which CronJob a pod comes from, and whether it is done"),
    "leases.coordination.k8s.io": Reason(
        "who is at work on this mesh",
        "one at a time works on a mesh; those of a removed istiod go with it",
    ),
    "horizontalpodautoscalers.autoscaling": Reason(_INSTALLED, _INSTALLS),
    "poddisruptionbudgets.policy": Reason(f"{_INSTALLED}; restarts of applications stay within them", _INSTALLS),
    "networkpolicies.networking.k8s.io": Reason(_INSTALLED, _INSTALLS),
    "roles.rbac.authorization.k8s.io": Reason(_INSTALLED, _INSTALLS),
    "rolebindings.rbac.authorization.k8s.io": Reason(_INSTALLED, _INSTALLS),
    "clusterroles.rbac.authorization.k8s.io": Reason(_INSTALLED, _INSTALLS),
    "clusterrolebindings.rbac.authorization.k8s.io": Reason(_INSTALLED, _INSTALLS),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": Reason(
        "revisions and tags are told by their injection webhooks",
        f"a tag is a webhook configuration; {_INSTALLS}",
    ),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": Reason(
        "which istiod validates, and whether it fails closed",
        f"the default validator follows tag default; {_INSTALLS}",
    ),
    "validatingadmissionpolicies.admissionregistration.k8s.io": Reason(_INSTALLED, _INSTALLS),
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": Reason(_INSTALLED, _INSTALLS),
    "customresourcedefinitions.apiextensions.k8s.io": Reason(
        "which of Istio's kinds are there, and whether they are older than the charts'",
        "Istio's kinds and ours come before what uses them; never deleted",
    ),
    "gateways.networking.istio.io": Reason("one that is labelled for a revision, or selects a gateway, holds that"),
    "servicemeshes.pilotage.dev": Reason("which revisions should exist", "the intent: the list of revisions"),
    "servicemeshes.pilotage.dev/status": Reason(write="what was found, for everybody to read"),
}
_OF_ISTIO: Final = Reason("resources that are labelled for a revision hold it")
_ISTIO_GROUPS: Final = ("istio.io", "gateway.networking.k8s.io", "gateway.networking.x-k8s.io")


def why(rule: Rule) -> str:
    """Raises SystemExit for a resource that nobody has explained."""
    (group,), (resource,) = rule.groups, rule.resources
    key = Right("", group, resource).kind
    reason = REASONS.get(key) or (_OF_ISTIO if group.endswith(_ISTIO_GROUPS) else Reason())
    words = [reason.read] if _READING & set(rule.verbs) else []
    words += [reason.write] if set(rule.verbs) - _READING else []
    if not all(words) or not words:
        raise SystemExit(f"tools/rbac/reasons.py does not say why {', '.join(rule.verbs)} {key} is needed")
    return "; ".join(dict.fromkeys(words))
