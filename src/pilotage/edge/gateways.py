"""Istio's chart `gateway` for one gateway in one revision. Called by `desired`.

The chart brings Deployment, HPA, PodDisruptionBudget, account and role, all under a name with the revision in it, so
that their selectors are unique. The Service is ours and not the chart's: it outlives every revision.
"""

from typing import Any, Final

from pilotage.domain.errors import Refused
from pilotage.domain.gateways import istio_label
from pilotage.domain.mesh import Gateway
from pilotage.domain.names import DEFAULT_REVISION, GATEWAY, ISTIO_VERSION, OWNER_LABEL, PART, gateway_part, suffixed
from pilotage.domain.objects import Obj
from pilotage.domain.profile import Profile
from pilotage.domain.state import Revision
from pilotage.edge.chart_values import Values, merged
from pilotage.edge.charts import ChartRelease, Renderer

_LONGEST: Final = 63  # of a label's value
_SEEN: Final = 20  # seconds: load balancers need up to that to see that a pod has come or is about to go
_DRAIN: Final = 30  # seconds, more than they need to see it
_LAST: Final = 90  # seconds that connections have to end by themselves once the drain is over
# Values that name the gateway or choose its pods: two Deployments would share a selector, or the Service lose them.
_OURS: Final = ("name", "revision", "kind")
_OUR_LABELS: Final = ("app", "istio", OWNER_LABEL, PART, GATEWAY)


def render_gateway(renderer: Renderer, profile: Profile, revision: Revision, gateway: Gateway) -> tuple[Obj, ...]:
    """All of `gateway` in `revision` but the Service. Raises Refused for values that are not the user's."""
    name = suffixed(gateway.name, revision.name)
    part = gateway_part(revision.name, gateway.name)
    if len(part) > _LONGEST:
        raise Refused(
            f"gateway {gateway.name} in revision {revision.name} has a name of more than {_LONGEST} letters",
            fix="give the gateway a shorter name",
        )
    _refuse_ours(gateway)
    values = merged(_settings(gateway, revision, name), gateway.values)
    namespace = gateway.namespace or profile.namespace
    objects = renderer.render(ChartRelease("gateway", revision.version, name, namespace, values))
    return tuple(_whole(obj, namespace) for obj in objects)


def _settings(gateway: Gateway, revision: Revision, name: str) -> Values:
    """Draining as pilot-agent does it: it goes on serving for the drain, then until no connection is left.

    A pod counts as available only when load balancers have seen it. Else the one that it replaces could be gone from
    them before it is there, and requests would find nobody: so it was seen with traffic.
    """
    drain = gateway.drain_seconds or _DRAIN
    return {
        "revision": "" if revision.name == DEFAULT_REVISION else revision.name,
        "service": {"type": "None"},
        "labels": {
            "app": name,
            "istio": istio_label(gateway.name),
            OWNER_LABEL: "true",
            PART: gateway_part(revision.name, gateway.name),
            GATEWAY: gateway.name,
        },
        "podAnnotations": {ISTIO_VERSION: str(revision.version)},
        "autoscaling": {"minReplicas": 2, "maxReplicas": 5},
        "podDisruptionBudget": {"minAvailable": 1},
        "strategy": {"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0}},
        "minReadySeconds": _SEEN,
        "env": {"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true", "MINIMUM_DRAIN_DURATION": f"{drain}s"},
        "terminationGracePeriodSeconds": drain + _LAST,
    }


def _refuse_ours(gateway: Gateway) -> None:
    labels: dict[str, Any] = gateway.values.get("labels") or {}
    taken = [f"values.{key}" for key in _OURS if key in gateway.values]
    taken += [f"values.labels[{key}]" for key in _OUR_LABELS if key in labels]
    if "service" in gateway.values:
        fix = f"set service.annotations and service.spec of gateway {gateway.name}"
        raise Refused(f"values.service of gateway {gateway.name}: its Service is not the chart's", fix=fix)
    if taken:
        raise Refused(f"{taken[0]} of gateway {gateway.name} is set by Pilotage", fix="remove it from values")


def _whole(obj: Obj, namespace: str) -> Obj:
    """What the chart leaves to whoever applies it: the namespace of a RoleBinding's account, empty annotations."""
    if not obj["metadata"].get("annotations"):
        obj["metadata"].pop("annotations", None)
    for subject in obj.get("subjects") or ():
        subject.setdefault("namespace", namespace)
    return obj
