"""How far a restart is, as the cluster shows it. Called by whoever waits for one."""

import msgspec

from pilotage.decide.dataplane import Key
from pilotage.decide.revision_health import stuck
from pilotage.domain.cluster import Pod, Workload
from pilotage.domain.names import RESTARTED_FOR
from pilotage.domain.state import Snapshot


class Done(msgspec.Struct, frozen=True):
    """All `pods` are of the new template, Ready, and those with a proxy have the expected one."""

    pods: int


class Waiting(msgspec.Struct, frozen=True):
    """`cause` names the stuck pod, or what its controller has yet to do.

    `strange`: all is new, but a pod has another proxy than expected; it does not change by itself.
    """

    cause: str
    strange: bool = False


def restart_state(snapshot: Snapshot, key: Key, expected: str | None, token: str) -> Done | Waiting:
    """State of the restart for `token` of the workload (kind, namespace, name). One that was deleted is done.

    `expected` is the revision that injection gives its pods. A pod without a proxy was not for injection (as with
    hostNetwork): webhooks fail closed, so it did not slip through.
    """
    known = (each for each in snapshot.workloads if (each.kind, each.namespace, each.name) == key)
    workload = next(known, None)
    if workload is None:
        return Done(0)
    pods = [
        pod for pod in snapshot.pods if (pod.workload[0], pod.namespace, pod.workload[1]) == key and not pod.finished
    ]
    staying = [pod for pod in pods if not pod.deleting]
    rolling = _rollout(workload, token)
    cause = rolling or _strange(staying, expected) or _unready(staying)
    if cause is None:
        return Done(len(staying))
    return Waiting(_with_stuck_pod(cause, workload, staying), not rolling and _strange(staying, expected) is not None)


def _rollout(workload: Workload, token: str) -> str | None:
    """What the controller has yet to do, in the order it does it."""
    if workload.annotations.get(RESTARTED_FOR) != token:
        return "its pod template does not carry this restart yet"
    if workload.paused:
        return "it is paused"
    if not workload.observed:
        return "its controller has not seen the change yet"
    if workload.updated < workload.desired:
        return f"{workload.updated} of {workload.desired} pods are new"
    if workload.total > workload.updated:
        left = workload.total - workload.updated
        return "1 old pod is still there" if left == 1 else f"{left} old pods are still there"
    if min(workload.available, workload.ready) < workload.desired:
        return f"{min(workload.available, workload.ready)} of {workload.desired} new pods are ready"
    return None


def _strange(pods: list[Pod], expected: str | None) -> str | None:
    for pod in pods:
        if pod.proxy and expected is not None and pod.revision != expected:
            return f"pod {pod.name} has a proxy of {pod.revision or 'no revision'}, not of {expected}"
    return None


def _unready(pods: list[Pod]) -> str | None:
    return None if all(pod.ready for pod in pods) else "a pod is not Ready"


def _with_stuck_pod(cause: str, workload: Workload, pods: list[Pod]) -> str:
    """Adds the newest pod that is not Ready with its cause, and what the controller itself complains of."""
    unready = sorted((pod for pod in pods if not pod.ready), key=lambda pod: pod.created)
    said = [f"pod {unready[-1].name}: {stuck(unready[-1])}"] if unready else []
    said += [workload.reason] if workload.reason else []
    return f"{cause} ({'; '.join(said)})" if said else cause
