"""What injection gives a pod now, tried: pods created as dry runs, of which nothing stays. Called for `drift`."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from pilotage.domain.drift import Asked, Expected
from pilotage.domain.errors import Denied, Refused, Retry
from pilotage.domain.names import PROXY_CONTAINER, REV
from pilotage.domain.objects import Obj, annotations_of
from pilotage.edge.kube import Kube
from pilotage.edge.proof import dry_run_pod, proxy_of

Group = TypeVar("Group")
_AT_ONCE: Final = 8


def may_try(kube: Kube, namespaces: Sequence[str]) -> bool:
    """Whether the caller may create pods in these namespaces; in all, if none are given."""
    everywhere = kube.may("create", "", "pods")
    return everywhere or (bool(namespaces) and all(kube.may("create", "", "pods", each) for each in namespaces))


def try_all(kube: Kube, tries: Mapping[Group, Sequence[Asked]]) -> dict[Group, Expected]:
    """What each group got. Its pods are tried in turn until one can be created; else `why` says what was answered."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(tries, pool.map(lambda pods: _first(kube, pods), tries.values()), strict=True))


def _first(kube: Kube, pods: Sequence[Asked]) -> Expected:
    """403 (quota, PodSecurity) is of one namespace: the next may have room. Other failures are injection's own."""
    why = ""
    for pod in pods:
        try:
            return _given(kube.create(_pod(pod), dry_run=True))
        except Denied as denied:
            why = f"a pod could not be tried in {pod.namespace}: {denied}"
        except (Refused, Retry) as failed:
            return Expected(why=f"a pod could not be created in {pod.namespace}: {failed}")
    return Expected(why=why)


def _pod(asked: Asked) -> Obj:
    pod = dry_run_pod(asked.namespace, dict(asked.labels))
    pod["metadata"]["annotations"] = dict(asked.annotations)
    if asked.own_image:
        own = pod["spec"]["containers"][0] | {"name": PROXY_CONTAINER, "image": asked.own_image}
        pod["spec"]["containers"] = [*pod["spec"]["containers"], own]
    return pod


def _given(pod: Obj) -> Expected:
    proxy = proxy_of(pod)
    revision = annotations_of(pod).get(REV, "")
    if proxy is None or not revision:
        return Expected(proven=True)
    return Expected(revision, str(proxy.get("image", "")), proven=True)
