"""Gateways in the plan: after their istiod, before it when they go, behind a Service that outlives them."""

from typing import Any

import pytest

from installed import MESH, NEW, OLD, changed, cluster, live, manifest, mesh, steps, wanted
from pilotage.decide.gateway_rules import not_injected
from pilotage.decide.gateway_service import gateway_service, service_writes
from pilotage.decide.gatewaylist import list_gateways
from pilotage.decide.inventory import held, stamped
from pilotage.decide.plan import plan
from pilotage.decide.putback import put_back
from pilotage.decide.removal import guard
from pilotage.domain.actions import Apply, Patch
from pilotage.domain.cluster import Container, Pod
from pilotage.domain.mesh import Gateway, GatewayService, GatewayType, Mode, ProfileName
from pilotage.domain.names import BASE, MANAGER, gateway_part
from pilotage.domain.objects import Obj, ObjectRef, ref_of
from pilotage.domain.state import Desired, Revision, Snapshot
from worlds import namespace, revision

EDGE, SPACE = "edge", "istio-ingress"
DOOR = Gateway(EDGE, GatewayType.EXTERNAL, SPACE)
SERVICE = ObjectRef("v1", "Service", SPACE, EDGE)


def chart(of: Revision) -> tuple[Obj, ...]:
    """A gateway's objects, one of each kind that matters for the order."""
    name = f"{EDGE}-{of.name}"
    target = {"scaleTargetRef": {"kind": "Deployment", "name": name}, "minReplicas": 2}
    return (
        manifest("v1", "ServiceAccount", name, SPACE),
        manifest("apps/v1", "Deployment", name, SPACE) | {"spec": {"template": {}}},
        manifest("autoscaling/v2", "HorizontalPodAutoscaler", name, SPACE) | {"spec": target},
    )


def asked(*revisions: Revision, gateways: tuple[Gateway, ...] = (DOOR,), **more: Any) -> Desired:
    objects = {gateway_part(each.name, gateway.name): chart(each) for gateway in gateways for each in revisions}
    objects |= {gateway_part(BASE, each.name): (gateway_service(each, ProfileName.ISTIO),) for each in gateways}
    return changed(wanted(*revisions, **more), gateways=gateways, gateway_objects=objects)


def standing(*revisions: Revision, ready: int = 2) -> dict[ObjectRef, Obj]:
    """Gateways of these revisions stand as applied, with so many pods ready, behind their Service."""
    found: dict[ObjectRef, Obj] = {}
    for of in revisions:
        for obj in chart(of):
            ours = stamped(obj, gateway_part(of.name, EDGE), of.version)
            found[ref_of(ours)] = ours | {"metadata": held(ours)["metadata"]}
        found[deployment(of)]["status"] = {"availableReplicas": ready, "updatedReplicas": ready}
    (*_, service) = service_writes(asked(*revisions), DOOR, None)
    assert isinstance(service, Apply)
    return found | {SERVICE: service.body | {"spec": service.body["spec"] | {"ports": []}}}


def deployment(of: Revision) -> ObjectRef:
    return ObjectRef("apps/v1", "Deployment", SPACE, f"{EDGE}-{of.name}")


def with_gateway(seen: Snapshot, gateway: Gateway) -> Snapshot:
    """The resource asks for it."""
    assert seen.mesh
    return changed(seen, mesh=changed(seen.mesh, spec=changed(seen.mesh.spec, gateways=[gateway])))


def town(*things: Any, **facts: Any) -> Snapshot:
    """A mesh whose resource asks for the gateway."""
    return with_gateway(cluster(namespace(SPACE), *things, **facts), DOOR)


def pods(of: Revision, count: int = 2, **more: Any) -> list[Pod]:
    labels = {"pilotage.dev/managed": "true", "pilotage.dev/part": gateway_part(of.name, EDGE)}
    marks = {"istio.io/rev": of.name, "sidecar.istio.io/status": "{}"}
    return [Pod(SPACE, f"{EDGE}-{of.name}-{at}", labels=labels, annotations=marks, **more) for at in range(count)]


def test_namespace_and_service_come_at_once_and_gateways_only_after_their_istiod_is_proven() -> None:
    made = plan(asked(OLD), cluster(revision("asm-1-30", available=0), live=live(OLD)))
    assert steps(made) == [f"apply Namespace {SPACE}", "apply Service edge", "apply Service edge"]
    made = plan(asked(OLD), town(revision("asm-1-30"), live=live(OLD)))
    assert "apply Deployment edge-asm-1-30" in steps(made)


def test_a_canarys_gateways_wait_for_the_canarys_istiod() -> None:
    there = live(OLD, NEW) | standing(OLD)
    made = plan(asked(OLD, NEW), town(revision("asm-1-30"), revision("asm-1-31", available=0), live=there))
    assert (made.phase, made.now) == ("CanaryStarting", ())
    made = plan(asked(OLD, NEW), town(revision("asm-1-30"), revision("asm-1-31"), live=there))
    assert {action.ref.name for action in made.now} == {"edge-asm-1-31"}


def test_gateways_are_left_alone_while_their_istiod_is_being_changed() -> None:
    there = live(OLD) | standing(OLD)
    there[deployment(OLD)] |= {"spec": {"template": {"edited": True}}}
    del there[ObjectRef("v1", "Service", MESH, "istiod-asm-1-30")]
    del there[ObjectRef("v1", "ServiceAccount", SPACE, "edge-asm-1-30")]
    assert steps(plan(asked(OLD), town(revision("asm-1-30"), live=there))) == ["apply Service istiod-asm-1-30"]


@pytest.mark.parametrize(("ready", "phase"), [(2, "Canary"), (1, "CanaryStarting"), (3, "Canary")])
def test_a_canary_is_there_once_as_many_gateways_are_ready_as_its_autoscaler_keeps_at_least(
    ready: int, phase: str
) -> None:
    there = live(OLD, NEW) | standing(OLD, NEW, ready=ready)
    made = plan(asked(OLD, NEW), town(revision("asm-1-30"), revision("asm-1-31"), live=there))
    assert (made.phase, made.now) == (phase, ())


def test_gateways_of_the_revision_that_goes_go_first_and_drain_before_its_istiod_stops() -> None:
    desired, there = asked(NEW), live(OLD, NEW, stable=NEW) | standing(OLD, NEW)
    things = (revision("asm-1-30"), revision("asm-1-31"), *pods(OLD), *pods(NEW))
    made = plan(desired, town(*things, live=there))
    assert steps(made) == ["delete Deployment edge-asm-1-30", "delete HorizontalPodAutoscaler edge-asm-1-30"]
    for action in made.now:
        del there[action.ref]
    made = plan(desired, town(*things, live=there))
    assert (made.phase, made.now, len(made.waits)) == ("Removing", (), 2)
    things = (revision("asm-1-30"), revision("asm-1-31"), *pods(NEW))
    made = plan(desired, town(*things, live=there))
    assert steps(made) == ["delete ServiceAccount edge-asm-1-30"]
    del there[made.now[0].ref]
    assert "webhooks" in plan(desired, town(*things, live=there)).now[0].why


@pytest.mark.parametrize("missing", ["unready", "absent"])
def test_a_revision_stays_while_the_gateways_that_are_to_take_over_are_not_ready(missing: str) -> None:
    there = live(OLD, NEW, stable=NEW) | standing(OLD, NEW)
    if missing == "absent":
        del there[deployment(NEW)]
    else:
        there[deployment(NEW)]["status"]["availableReplicas"] = 1
    seen = town(revision("asm-1-30"), revision("asm-1-31"), *pods(OLD), live=there)
    assert {finding.code for finding in guard(seen, "asm-1-30", NEW)} == {"GatewayNotReady"}


def test_a_revision_without_gateways_may_go_whatever_those_of_the_other_do() -> None:
    there = live(OLD, NEW) | standing(OLD, ready=0)
    assert not guard(town(revision("asm-1-30"), revision("asm-1-31"), live=there), "asm-1-31", OLD)


def test_our_gateways_do_not_hold_their_revision_and_those_of_others_do() -> None:
    there = live(OLD, NEW) | standing(OLD, NEW)
    seen = town(revision("asm-1-30"), revision("asm-1-31"), *pods(OLD), live=there)
    assert not guard(seen, "asm-1-30", NEW)
    theirs = [changed(pod, labels={"istio": "ingressgateway"}) for pod in pods(OLD)]
    seen = town(revision("asm-1-30"), revision("asm-1-31"), *theirs, live=there)
    assert {finding.code for finding in guard(seen, "asm-1-30", NEW)} == {"RevisionInUse"}


def test_a_gateway_that_is_no_longer_asked_for_drains_and_its_service_goes_last() -> None:
    desired, there = asked(OLD, gateways=()), live(OLD) | standing(OLD)
    seen: list[str] = []
    for _ in range(6):
        made = plan(desired, cluster(namespace(SPACE), revision("asm-1-30"), live=there))
        seen += steps(made)
        for action in made.now:
            del there[action.ref]
    assert seen[-2:] == ["delete ServiceAccount edge-asm-1-30", "delete Service edge"]
    assert plan(desired, cluster(namespace(SPACE), revision("asm-1-30"), live=there)).settled


def test_disabling_takes_our_gateways_away_before_the_first_webhook() -> None:
    there = live(OLD) | standing(OLD)
    desired = asked(OLD, gateways=(), disabled=True)
    made = plan(desired, town(revision("asm-1-30"), *pods(OLD), live=there, mesh=mesh("asm-1-30", mode=Mode.DISABLED)))
    assert steps(made)[0] == "delete Deployment edge-asm-1-30"


@pytest.mark.parametrize("ref", [SERVICE, deployment(OLD)])
def test_a_gateway_whose_name_is_taken_is_named_and_nothing_of_it_is_installed(ref: ObjectRef) -> None:
    theirs = manifest(ref.api_version, ref.kind, ref.name, SPACE)
    made = plan(asked(OLD), town(revision("asm-1-30"), live=live(OLD) | {ref: theirs}))
    assert (made.phase, made.now) == ("Settled", ())
    assert [(finding.code, finding.subject) for finding in made.findings] == [("ForeignGateway", EDGE)]


def test_the_service_selects_gateways_of_every_revision() -> None:
    for name, label in (("istio-ingressgateway", "ingressgateway"), (EDGE, EDGE)):
        service = gateway_service(Gateway(name, GatewayType.EXTERNAL, SPACE), ProfileName.ISTIO)
        assert service["spec"]["selector"] == {"istio": label}


def test_of_a_service_only_type_selector_and_what_is_asked_for_are_held() -> None:
    fields = GatewayService({"example.org/pool": "blue"}, {"externalTrafficPolicy": "Local"})
    door = changed(DOOR, service=fields)
    create, hold = service_writes(asked(OLD, gateways=(door,)), door, None)
    assert isinstance(create, Apply)
    assert isinstance(hold, Apply)
    assert [port["port"] for port in create.body["spec"]["ports"]] == [15021, 80, 443]
    assert hold.body["spec"].keys() == {"type", "selector", "externalTrafficPolicy"}
    assert hold.body["metadata"]["annotations"]["example.org/pool"] == "blue"


def test_what_is_no_longer_asked_for_is_taken_back_once() -> None:
    door = changed(DOOR, service=GatewayService({"example.org/pool": "blue"}, {"externalTrafficPolicy": "Local"}))
    *_, hold = service_writes(asked(OLD, gateways=(door,)), door, None)
    assert isinstance(hold, Apply)
    fields = {
        "f:metadata": {"f:annotations": {"f:example.org/pool": {}, "f:pilotage.dev/applied": {}}},
        "f:spec": {"f:selector": {}, "f:type": {}, "f:externalTrafficPolicy": {}},
    }
    entry = {"manager": MANAGER, "operation": "Apply", "fieldsV1": fields}
    there = changed_meta(hold.body, managedFields=[entry])
    first, second = service_writes(asked(OLD), DOOR, there)
    assert isinstance(first, Patch)
    assert first.body == {
        "metadata": {"annotations": {"example.org/pool": None}},
        "spec": {"externalTrafficPolicy": None},
    }
    assert isinstance(second, Apply)


def test_a_selector_that_somebody_narrowed_is_put_back_and_told_with_its_author() -> None:
    there = live(OLD) | standing(OLD)
    fields: Obj = {"f:spec": {"f:selector": {}}}
    entry = {"manager": "kubectl-patch", "operation": "Update", "fieldsV1": fields}
    there[SERVICE]["spec"]["selector"] = {"istio": EDGE, "istio.io/rev": OLD.name}
    there[SERVICE] = changed_meta(there[SERVICE], managedFields=[entry])
    made = plan(asked(OLD), town(revision("asm-1-30"), live=there))
    assert steps(made) == ["apply Service edge"]
    (event,) = put_back(made, there)
    assert "spec.selector changed by kubectl-patch" in event.note


def changed_meta(obj: Obj, **fields: Any) -> Obj:
    return obj | {"metadata": obj["metadata"] | fields}


@pytest.mark.parametrize(
    ("image", "template", "phase", "codes"),
    [
        ("auto", "gateway", "Pending", ["GatewayNotInjected"]),
        ("example/proxyv2:1.31", "gateway", "Running", []),
        ("auto", "", "Pending", []),
        ("auto", "gateway", "Failed", []),
    ],
)
def test_a_gateway_whose_image_stays_auto_is_named(image: str, template: str, phase: str, codes: list[str]) -> None:
    marks = {"inject.istio.io/templates": template}
    proxy = (Container("istio-proxy", image),)
    pod = Pod("shop", "door-1", phase=phase, annotations=marks, containers=proxy, workload=("Deployment", "door"))
    assert [finding.code for finding in not_injected(town(revision("asm-1-30"), pod))] == codes


def test_a_row_counts_the_ready_pods_of_each_revision_and_shows_the_address() -> None:
    there = standing(OLD, NEW, ready=2)
    there[SERVICE]["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}
    for of, ready in ((OLD, 2), (NEW, 1)):
        there[deployment(of)] |= {"spec": {"replicas": 2}, "status": {"readyReplicas": ready}}
    (row,) = list_gateways(town(revision("asm-1-30"), live=there))
    assert (row.name, row.namespace, row.type, row.address) == (EDGE, SPACE, "External", "203.0.113.7")
    assert [(each.revision, each.ready, each.desired) for each in row.revisions] == [
        ("asm-1-30", 2, 2),
        ("asm-1-31", 1, 2),
    ]


def test_a_gateway_that_is_asked_for_and_not_there_yet_is_listed_as_well() -> None:
    (row,) = list_gateways(town(revision("asm-1-30")))
    assert (row.name, row.address, row.revisions) == (EDGE, "", [])
