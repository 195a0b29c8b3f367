"""What is said of a running proxy: current, behind, pinned, missing, unselected, opted out, unknown."""

from typing import Any

import pytest

from driftworlds import configs, drift_of, injected, injection, pod, proxy_config, rows_of
from pilotage.decide.drift import State, groups
from pilotage.domain.drift import Expected, Injection
from pilotage.domain.objects import Obj
from worlds import injector, tag

WHOLE = "example/whole:1"
SHOP = {"shop": {"istio.io/rev": "1-31"}, "pay": {"istio.io/rev": "prod"}, "free": {}}


def two(**more: Any) -> Injection:
    """Revisions 1-30 and 1-31, and tag prod on 1-31."""
    return injection("1-30", "1-31", tag("prod", "1-31")[0], spaces=SHOP, **more)


def on(rev: str, space: str = "shop", image: str = "", native: bool = False, **more: Any) -> Obj:
    """A pod with the proxy of `rev`; `more` is what its template says."""
    return injected(pod(space, "web-1", of="web", **more), rev, image or f"example/proxyv2:{rev}", native=native)


DEEP = "[" * 100_000  # ends a process whose parser calls itself
SENTENCES = [
    ("has the proxy it would get", on("1-31"), State.CURRENT),
    ("has the proxy it would get by a tag", on("1-31", "pay"), State.CURRENT),
    ("has the proxy of the old revision", on("1-30"), State.BEHIND),
    ("has the right revision and another patch's image", on("1-31", image="example/proxyv2:1.31.0"), State.BEHIND),
    ("has the right image, injected by the old revision", on("1-30", image="example/proxyv2:1-31"), State.BEHIND),
    ("has a native sidecar of the old revision", on("1-30", native=True), State.BEHIND),
    ("has a native sidecar as it would get", on("1-31", native=True), State.CURRENT),
    (
        "chooses its revision by its own label",
        on("1-30", "free", labels={"istio.io/rev": "1-30", "sidecar.istio.io/inject": "true"}),
        State.CURRENT,
    ),
    (
        "has a label that its namespace's label beats",
        on("1-30", labels={"istio.io/rev": "1-30"}),
        State.BEHIND,
    ),
    (
        "names a whole image",
        on("1-31", image=WHOLE, annotations={"sidecar.istio.io/proxyImage": WHOLE}),
        State.PINNED,
    ),
    (
        "names a whole image, on the old revision",
        on("1-30", image=WHOLE, annotations={"sidecar.istio.io/proxyImage": WHOLE}),
        State.BEHIND,
    ),
    (
        "asks for debug images and has them",
        on("1-31", image="example/proxyv2:1-31-debug", annotations={"sidecar.istio.io/proxyImageType": "debug"}),
        State.CURRENT,
    ),
    (
        "asks for debug images and has none",
        on("1-31", annotations={"proxy.istio.io/config": '{"image": {"imageType": "debug"}}'}),
        State.BEHIND,
    ),
    (
        "asks for something in brackets too deep for a parser",
        on("1-31", annotations={"proxy.istio.io/config": DEEP}),
        State.CURRENT,
    ),
    ("brought an istio-proxy container of its own", on("1-31", image=WHOLE, own=WHOLE), State.PINNED),
    (
        "is a gateway that leaves its image to injection",
        on("1-30", own="auto", annotations={"inject.istio.io/templates": "gateway"}),
        State.BEHIND,
    ),
    ("has no proxy where it would get one", pod("shop", "web-1"), State.MISSING),
    ("opted out by label", pod("shop", "web-1", labels={"sidecar.istio.io/inject": "false"}), State.OPTED_OUT),
    (
        "opted out by annotation",
        pod("shop", "web-1", annotations={"sidecar.istio.io/inject": "false"}),
        State.OPTED_OUT,
    ),
    ("uses the host's network", pod("shop", "web-1", host_network=True), State.OPTED_OUT),
    ("kept a proxy in a namespace without label", on("1-30", "free"), State.UNSELECTED),
]


@pytest.mark.parametrize(("sentence", "given", "state"), SENTENCES, ids=[row[0] for row in SENTENCES])
def test_a_pod_that(sentence: str, given: Obj, state: State) -> None:
    (row,) = drift_of([given], two()).rows
    assert row.state is state, sentence


@pytest.mark.parametrize(
    "given",
    [
        pod("free", "web-1"),
        on("1-30") | {"status": {"phase": "Succeeded"}},
        on("1-30") | {"status": {"phase": "Failed"}},
        pod("kube-system", "dns"),
    ],
    ids=["is in no mesh", "succeeded", "failed", "is the cluster's own"],
)
def test_nothing_is_said_of_a_pod_that(given: Obj) -> None:
    assert drift_of([given], two()).rows == ()


def test_a_pod_that_is_being_deleted_is_not_counted() -> None:
    leaving = on("1-30")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-22T11:00:00Z"
    assert drift_of([leaving], two()).rows == ()


def test_a_proxy_config_of_the_namespace_chooses_the_image() -> None:
    by = two(resources=[proxy_config("shop", "debug")])
    (row,) = drift_of([on("1-31")], by).rows
    assert (row.state, row.expected.image) == (State.BEHIND, "example/proxyv2:1-31-debug")


@pytest.mark.parametrize(
    ("unknown", "why"),
    [
        ({"namespaces": "you may not"}, "cannot read namespaces: you may not"),
        ({"configmaps of istio-system": "you may not"}, "you may not"),
        ({"proxyconfigs": "you may not"}, "cannot read proxyconfigs: you may not"),
    ],
)
def test_what_could_not_be_looked_up_is_unknown_and_never_current(unknown: dict[str, str], why: str) -> None:
    (row,) = drift_of([on("1-31")], two(unknown=unknown)).rows
    assert (row.state, row.expected.why) == (State.UNKNOWN, why)


def test_a_config_map_that_is_not_there_is_unknown() -> None:
    by = injection(injector("1-31"), spaces=SHOP)
    drift = drift_of([on("1-31")], by)
    assert drift.rows[0].state is State.UNKNOWN
    assert drift.targets[0].expected.why == "ConfigMap istio-system/istio-sidecar-injector-1-31 is not there"


@pytest.mark.parametrize(
    ("key", "text"), [("values", "{"), ("values", DEEP), ("config", DEEP)], ids=["cut", "deep values", "deep settings"]
)
def test_a_config_map_that_nobody_can_read_is_unknown(key: str, text: str) -> None:
    broken = configs("1-31")
    broken["istio-sidecar-injector-1-31"][key] = text
    (row,) = drift_of([on("1-31")], injection(injector("1-31"), broken, spaces=SHOP)).rows
    assert row.state is State.UNKNOWN
    assert "cannot be understood" in row.expected.why


@pytest.mark.parametrize("template", ["strange", "nowhere"])
def test_a_template_of_somebodys_own_is_unknown_until_it_is_tried(template: str) -> None:
    given = on("1-31", annotations={"inject.istio.io/templates": f"sidecar,{template}"})
    assert drift_of([given], two()).rows[0].state is State.UNKNOWN
    tried = Expected("1-31", "example/proxyv2:1-31", proven=True)
    assert drift_of([given], two(), tried).rows[0].state is State.CURRENT


def test_pods_of_a_template_of_somebodys_own_are_tried_one_wish_at_a_time() -> None:
    strange = {"inject.istio.io/templates": "strange"}
    pods = [on("1-31", annotations=strange | {"mine": str(at)}, labels={"app": str(at)}) for at in range(3)]
    assert len(groups(rows_of(pods, two()), two()).members.values()) == 3


def test_what_a_network_plug_in_wrote_of_each_pod_tells_no_wishes_apart() -> None:
    strange = {"inject.istio.io/templates": "strange"}
    written = [{"cni.projectcalico.org/podIP": f"10.0.0.{at}"} for at in range(3)]
    pods = [on("1-31", annotations=strange | each) for each in written]
    assert len(groups(rows_of(pods, two()), two()).members.values()) == 1


def test_two_webhooks_that_match_are_unknown_until_it_is_tried() -> None:
    by = injection("1-31", "1-30", tag("1-31", "1-30")[0], spaces=SHOP)
    (row,) = drift_of([on("1-31")], by).rows
    assert (row.state, row.expected.why) == (State.UNKNOWN, "webhooks of 1-30 and 1-31 both match it")


def test_what_a_dry_run_gave_beats_what_was_computed() -> None:
    mirrored = Expected("1-31", "mirror/proxyv2:1-31", proven=True)
    drift = drift_of([on("1-31")], two(), mirrored)
    assert (drift.rows[0].state, drift.proven, drift.computed) == (State.BEHIND, 1, 0)


def test_a_dry_run_that_fails_makes_it_unknown() -> None:
    drift = drift_of([on("1-31")], two(), Expected(why="istiod does not answer"))
    assert drift.rows[0].state is State.UNKNOWN
    assert {target.expected.why for target in drift.targets} == {"istiod does not answer"}


def test_pods_that_injection_reads_alike_are_tried_once_in_any_of_their_namespaces() -> None:
    spaces = {f"team-{at}": {"istio.io/rev": "1-31"} for at in range(9)}
    by = injection("1-31", spaces=spaces)
    pods = [on("1-31", space, labels={"app": space}) for space in spaces]
    (tries,) = groups(rows_of(pods, by), by).tries.values()
    assert len({each.namespace for each in tries}) == 3


def test_a_revision_that_nobody_is_on_is_tried_in_the_meshs_namespace() -> None:
    tries = groups([], two()).tries
    assert {each.labels for pods in tries.values() for each in pods} == {
        (("istio.io/rev", rev), ("sidecar.istio.io/inject", "true")) for rev in ("1-30", "1-31")
    }


def test_a_gateway_that_istiod_makes_itself_is_compared_with_its_revision() -> None:
    made = pod("shop", "gw-1", labels={"gateway.networking.k8s.io/gateway-name": "gw"}, own="example/proxyv2:1-30")
    made["metadata"]["annotations"]["istio.io/rev"] = "1-31"
    made["metadata"]["labels"]["sidecar.istio.io/inject"] = "false"
    (row,) = drift_of([made], two()).rows
    assert (row.state, row.restartable) == (State.BEHIND, False)
