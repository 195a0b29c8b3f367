"""Does injection work, end to end? A pod is created in a server-side dry-run, and nothing of it stays.

Called before and after a namespace is moved. Istio's webhooks declare no side effects, so a dry-run calls them.
"""

from typing import Any, Final

from pilotage.domain.errors import Denied, Refused, Retry
from pilotage.domain.findings import Finding
from pilotage.domain.names import DEFAULT_REVISION, GROUP, INJECT, PROXY_CONTAINER, REV
from pilotage.domain.objects import Obj, annotations_of
from pilotage.edge.kube import Kube

# What the strictest PodSecurity level asks for, so that only injection is tested.
_SECURITY: Final[dict[str, Any]] = {
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_CONTAINER: Final[dict[str, Any]] = {
    "name": "probe",
    "image": "never-pulled",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
}


def selecting(revision: str) -> dict[str, str]:
    """Pod labels that ask for a revision (or tag) where the namespace asks for none."""
    return {INJECT: "true"} if revision == DEFAULT_REVISION else {INJECT: "true", REV: revision}


def injection_proof(
    kube: Kube, namespace: str, pod_labels: dict[str, str], revision: str, image: str = ""
) -> Finding | None:
    """None if a new pod would get a proxy of `revision` (a revision, not a tag) and, where given, of `image`.

    `pod_labels`: `selecting(revision)` in the mesh's namespace; none where the namespace's own label is on trial.
    InjectionNotProven says what it got instead. HealthUnknown: it could not be tried (403: rights, quota, PodSecurity).
    """
    place = f"namespace {namespace}"
    try:
        pod = kube.create(dry_run_pod(namespace, pod_labels), dry_run=True)
    except Denied as denied:
        return Finding("HealthUnknown", f"injection could not be tried: {denied}", place, denied.fix)
    except (Refused, Retry) as failed:
        return _unproven(place, revision, f"a pod could not be created: {failed}")
    proxy = proxy_of(pod)
    if proxy is None:
        return _unproven(place, revision, "a new pod got no proxy")
    actual = annotations_of(pod).get(REV, "")
    if actual != revision:
        return _unproven(place, revision, f"a new pod got the proxy of {actual or 'an unnamed revision'}")
    if image and proxy.get("image") != image:
        return _unproven(place, revision, f"a new pod got the proxy image {proxy.get('image')} instead of {image}")
    return None


def _unproven(place: str, revision: str, message: str) -> Finding:
    fix = f"pilotage check; then look at the webhooks: kubectl get mutatingwebhookconfigurations -l {REV}={revision}"
    return Finding("InjectionNotProven", f"{place}, revision {revision}: {message}", place, fix)


def dry_run_pod(namespace: str, labels: dict[str, str]) -> Obj:
    """A pod that the strictest PodSecurity level lets in, to be created as a dry run."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": f"{GROUP.partition('.')[0]}-dry-run-", "namespace": namespace, "labels": labels},
        "spec": {"automountServiceAccountToken": False, "securityContext": _SECURITY, "containers": [_CONTAINER]},
    }


def proxy_of(pod: Obj) -> dict[str, Any] | None:
    """istio-proxy in `containers` or, as a native sidecar, in `initContainers`."""
    spec = pod["spec"]
    both = (*spec.get("containers", ()), *(spec.get("initContainers") or ()))
    return next((container for container in both if container["name"] == PROXY_CONTAINER), None)
