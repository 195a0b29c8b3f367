"""Silent at rest, and one write per edit of what is ours: counted in the API server's audit log.

The operator runs as an account of its own, with no right but those of its role.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from bench.standing import ROOT, Standing
from tools.audit import LEASE, Request, noise

from harness import CANARY, MESH, STABLE, Cluster, Obj, deployment, eventually, namespace, sandbox
from intent import events, expect_phase

pytestmark = pytest.mark.e2e

ISTIOD, CANARIES = f"istiod-{STABLE}", f"istiod-{CANARY}"
INJECTOR = f"mutatingwebhookconfiguration/istio-sidecar-injector-{STABLE}-{MESH}"
VALIDATOR = f"validatingwebhookconfiguration/istio-validator-{STABLE}-{MESH}"
ROLE = f"clusterrole/istiod-clusterrole-{STABLE}-{MESH}"
CHARTS, ISTIO_CRDS = "everything rendered from the charts", "Istio's CRDs"
WEBHOOKS, HPA, REPLICAS = "`failurePolicy` and `caBundle`", "the spec of a HorizontalPodAutoscaler", "`replicas`"
SPACE, EXTRA, ITEMS = "the mesh's namespace", "labels, annotations and other fields", "more items in a list"
TOLD = ("servicemeshes.pilotage.dev/status", "events.events.k8s.io")  # what a mend may lead to, beside its own write


class Edit(NamedTuple):
    """One JSON patch of one field. `row`: how its row of docs/ownership.md begins, which says whose the field is."""

    what: str
    path: str
    value: Any
    row: str
    op: str = "replace"
    lasts: bool = True  # no for what istiod itself puts back

    @property
    def place(self) -> list[str]:
        wide = ("webhookconfiguration/", "clusterrole", "customresourcedefinition/", "namespace/")
        return [] if any(kind in self.what for kind in wide) else ["-n", MESH]


def _label(what: str, name: str, row: str = CHARTS, op: str = "replace") -> Edit:
    return Edit(what, f"/metadata/labels/{name.replace('/', '~1')}", "adversary", row, op)


EDITS = (
    Edit(f"hpa/{ISTIOD}", "/spec/maxReplicas", 7, HPA),
    Edit(f"hpa/{ISTIOD}", "/spec/metrics/0/resource/target/averageUtilization", 55, HPA),
    Edit(f"hpa/{ISTIOD}", "/spec/minReplicas", 1, HPA),
    Edit(INJECTOR, "/webhooks/0/clientConfig/caBundle", "Y2E=", WEBHOOKS, lasts=False),
    Edit(INJECTOR, "/webhooks/0/timeoutSeconds", 7, EXTRA),
    Edit(VALIDATOR, "/webhooks/0/failurePolicy", "Ignore", WEBHOOKS, lasts=False),
    Edit(VALIDATOR, "/metadata/annotations/example.com~1note", "mine", EXTRA, "add"),
    Edit(f"deployment/{ISTIOD}", "/spec/minReadySeconds", 1, EXTRA, "add"),
    Edit(f"service/{ISTIOD}", "/spec/ports/-", {"name": "mine", "port": 9999, "protocol": "TCP"}, ITEMS, "add"),
    Edit(f"configmap/istio-{STABLE}", "/data/mine", "x", EXTRA, "add"),
    _label(f"service/{ISTIOD}", "example.com/team", EXTRA, "add"),
    _label(ROLE, "example.com/team", EXTRA, "add"),
    _label(f"namespace/{MESH}", "example.com/team", SPACE, "add"),
    Edit(INJECTOR, "/webhooks/0/namespaceSelector/matchExpressions/0/values/0", "other", CHARTS),
    Edit(INJECTOR, "/webhooks/1/objectSelector/matchExpressions/0/operator", "In", CHARTS),
    Edit(INJECTOR, "/webhooks/1/rules/0/operations/0", "UPDATE", CHARTS),
    Edit(INJECTOR, "/webhooks/0/clientConfig/service/path", "/nowhere", CHARTS),
    Edit(VALIDATOR, "/webhooks/0/objectSelector/matchExpressions/0/values/0", "other", CHARTS),
    _label("validatingwebhookconfiguration/istiod-default-validator", "istio.io/rev"),
    _label(f"service/{ISTIOD}", "app"),
    _label(f"service/{ISTIOD}", "pilotage.dev/part"),
    _label(f"hpa/{ISTIOD}", "istio.io/rev"),
    _label(f"serviceaccount/{ISTIOD}", "release", op="remove"),
    Edit(f"hpa/{ISTIOD}", "/spec/scaleTargetRef/name", "other", CHARTS),
    Edit(f"service/{ISTIOD}", "/spec/selector/app", "other", CHARTS),
    Edit(f"service/{ISTIOD}", "/spec/ports/2/targetPort", 1, CHARTS),
    Edit(f"deployment/{ISTIOD}", "/spec/strategy/rollingUpdate/maxSurge", 1, CHARTS),
    Edit(f"deployment/{ISTIOD}", "/spec/template/spec/containers/0/env/0/value", "other", CHARTS),
    Edit(f"configmap/istio-{STABLE}", "/data/mesh", "{}", CHARTS),
    Edit(f"pdb/{ISTIOD}", "/spec/minAvailable", 0, CHARTS),
    Edit(ROLE, "/rules/0/verbs", ["get"], CHARTS),
    Edit(f"role/{ISTIOD}", "/rules/-", {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}, CHARTS, "add"),
    Edit(f"rolebinding/{ISTIOD}", "/subjects/0/name", "other", CHARTS),
    _label("customresourcedefinition/virtualservices.networking.istio.io", "pilotage.dev/part", ISTIO_CRDS),
)


def _ours(edit: Edit) -> bool:
    """By the section of docs/ownership.md whose table has the row."""
    sections = re.split(r"(?m)^## (.+)\n", (ROOT / "docs" / "ownership.md").read_text())[1:]
    tables = zip(sections[::2], sections[1::2], strict=True)
    (section,) = [title for title, text in tables if any(line.startswith(f"| {edit.row}") for line in text.split("\n"))]
    assert section in ("Ours", "Written once, then left to others", "Not ours"), section
    return section == "Ours"


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    with sandbox("silence") as made:
        made.enable().must()
        for space in ("shop", "bank"):
            made.apply(namespace(space, rev=STABLE), deployment(space, "web", replicas=3))
            eventually(f"{space} runs", lambda space=space: made.proxies(space) == {"web": {STABLE}})
        yield made


@pytest.fixture(scope="module")
def standing(mesh: Cluster) -> Iterator[Standing]:
    made = Standing(lambda *words, given=None: mesh.kubectl(*words, given=given).must().out, *_place(mesh))
    made.start()
    try:
        expect_phase(mesh, "Settled")
        _rest(made, 10)
        yield made
    finally:
        said = made.stop()
    assert "Traceback" not in said, said


@pytest.fixture(scope="module")
def calm(standing: Standing) -> list[Request]:
    """The requests of a minute at rest, ahead of every edit."""
    return _rest(standing, 60)


def _place(mesh: Cluster) -> tuple[Any, dict[str, str]]:
    return mesh.kubeconfig, mesh.environment


def test_at_rest_it_writes_nothing_but_its_lease(calm: list[Request]) -> None:
    assert [str(each) for each in noise(calm)] == []
    assert any(each.resource == LEASE and each.wrote for each in calm)


def test_whatever_an_adversary_edits_is_put_back_once_if_it_is_ours_and_left_alone_if_not(
    mesh: Cluster, standing: Standing, calm: list[Request]
) -> None:
    ours, theirs = (tuple(edit for edit in EDITS if _ours(edit) is mine) for mine in (True, False))
    assert min(len(ours), len(theirs)) >= 10
    begun = datetime.now(UTC)
    for edit in theirs:
        _do(mesh, edit)
    half = len(ours) // 2
    for edit in ours[:half]:
        _expect_put_back(mesh, edit)
    held = standing.resident
    for edit in ours[half:]:
        _expect_put_back(mesh, edit)
    eventually("istiod is available again", lambda: mesh.pilotage("check", "--fail-on", "error").code == 0)
    after = _rest(standing, 60)
    since = [each for each in standing.requests() if each.at >= begun]
    mends = Counter(f"{each.resource} {each.name}" for each in noise(since) if each.resource not in TOLD)
    assert mends == Counter(_object(mesh, edit) for edit in ours)
    assert {_path(edit): _value(mesh, edit) for edit in theirs if edit.lasts} == {
        _path(edit): edit.value for edit in theirs if edit.lasts
    }
    assert Counter(_related(event) for event in events(mesh, "PutBack")) == Counter(_object(mesh, e) for e in ours)
    assert [str(each) for each in noise(after)] == []
    assert len(after) <= len(calm) * 1.2 + 5
    assert standing.resident <= held * 1.1


def test_while_a_canary_is_there_its_autoscaler_says_what_stables_says(mesh: Cluster, standing: Standing) -> None:
    """On a real API server: what it fills in by itself, and what it keeps of who wrote, are its own."""
    mesh.pilotage("upgrade", "start", "--revision", CANARY).must()
    _scale(mesh, ISTIOD, "kubectl-edit", maxReplicas=8, behavior={"scaleDown": {"stabilizationWindowSeconds": 60}})
    _expect_alike(mesh, maxReplicas=8)
    _scale(mesh, CANARIES, "tuner", maxReplicas=3, behavior={"scaleUp": {"selectPolicy": "Disabled"}})
    _expect_alike(mesh, maxReplicas=8)
    mesh.kubectl("delete", "hpa", CANARIES, "-n", MESH).must()
    _expect_alike(mesh, maxReplicas=8)
    _scale(mesh, CANARIES, "k9s", maxReplicas=4, behavior=None)
    _scale(mesh, ISTIOD, "kubectl-edit", maxReplicas=9, behavior=None)
    _expect_alike(mesh, maxReplicas=9)
    told = (
        ("Copied", f"made with the spec of HorizontalPodAutoscaler {MESH}/{ISTIOD}"),
        ("Followed", "spec.maxReplicas 8 -> 9; follows"),
        ("Followed", "changed there by kubectl-edit at 20"),
        ("PutBack", f"{MESH}/{CANARIES}: spec.behavior"),
        ("PutBack", "spec.maxReplicas 3 by tuner at 20"),
    )
    eventually("all of it is told", lambda: all(_told(mesh, *each) for each in told))
    assert [str(each) for each in noise(_rest(standing, 10)) if "autoscalers" in each.resource] == []
    mesh.pilotage("upgrade", "rollback", "--yes").must()


def test_replicas_are_handed_over_to_an_autoscaler_of_the_users(mesh: Cluster, standing: Standing) -> None:  # noqa: ARG001
    """None is lost on the way: what an apply leaves out is deleted, and Kubernetes would run one."""
    values = {"pilot": {"autoscaleEnabled": False, "replicaCount": 3}}
    mesh.kubectl(
        "patch", "servicemesh", "default", "--type=merge", "-p", json.dumps({"spec": {"values": values}})
    ).must()
    eventually("three are asked for", lambda: mesh.get("deployment", ISTIOD, "-n", MESH)["spec"].get("replicas") == 3)
    eventually("ours is gone", lambda: ISTIOD not in mesh.names("hpa", MESH))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": ISTIOD}
    spec = {"minReplicas": 3, "maxReplicas": 6, "scaleTargetRef": target}
    meta = {"name": "mine", "namespace": MESH}
    mesh.apply({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec})
    generations = [mesh.get("deployment", ISTIOD, "-n", MESH)["metadata"]["generation"]]
    eventually("they are given away", lambda: not _holds_replicas(mesh))
    after = mesh.get("deployment", ISTIOD, "-n", MESH)
    assert (after["spec"]["replicas"], after["metadata"]["generation"]) == (3, *generations)


def _told(mesh: Cluster, reason: str, words: str) -> bool:
    return any(words in event["note"] for event in events(mesh, reason))


def _holds_replicas(mesh: Cluster) -> bool:
    """Whether our loop does."""
    meta = json.loads(
        mesh.kubectl("get", "deployment", ISTIOD, "-n", MESH, "-o", "json", "--show-managed-fields").must().out
    )
    entries = [each for each in meta["metadata"]["managedFields"] if each["manager"] == "pilotage"]
    return any("f:replicas" in entry["fieldsV1"].get("f:spec", {}) for entry in entries)


def _scale(mesh: Cluster, name: str, manager: str, **spec: Any) -> None:
    patch = ("--type=merge", "-p", json.dumps({"spec": spec}))
    mesh.kubectl("patch", "hpa", name, "-n", MESH, f"--field-manager={manager}", *patch).must()


def _expect_alike(mesh: Cluster, **spec: Any) -> None:
    """Both autoscalers say this, and the same of all else but what they scale."""

    def are() -> bool:
        found = {each["metadata"]["name"]: each["spec"] for each in mesh.get("hpa", "-n", MESH)["items"]}
        if CANARIES not in found:
            return False
        ours, theirs = ({**found[name], "scaleTargetRef": None} for name in (ISTIOD, CANARIES))
        return ours == theirs and ours == ours | spec

    eventually(f"both autoscalers say {spec}", are)


def _rest(standing: Standing, seconds: float) -> list[Request]:
    """The requests of so many seconds in which nothing happens: by the Leases it renewed meanwhile."""
    begun = datetime.now(UTC)

    def over() -> bool:
        leases = [each.at for each in standing.requests() if each.resource == LEASE]
        return bool(leases) and (leases[-1] - begun).total_seconds() >= seconds

    eventually(f"{seconds} s of Leases", over, patience=seconds + 120)
    return [each for each in standing.requests() if each.at >= begun]


def _do(mesh: Cluster, edit: Edit) -> None:
    if edit.op == "add" and "/metadata/annotations" in edit.path:
        note = edit.path.rpartition("/")[2].replace("~1", "/")
        mesh.kubectl("annotate", edit.what, *edit.place, f"{note}={edit.value}").must()
        return
    value = {} if edit.op == "remove" else {"value": edit.value}
    patch = json.dumps([{"op": edit.op, "path": edit.path} | value])
    mesh.kubectl("patch", edit.what, *edit.place, "--type=json", "-p", patch).must()


def _expect_put_back(mesh: Cluster, edit: Edit) -> None:
    before = _value(mesh, edit)
    _do(mesh, edit)
    eventually(f"{_path(edit)} is {before} again", lambda: _value(mesh, edit) == before)


def _path(edit: Edit) -> str:
    return f"{edit.what}{edit.path}"


def _value(mesh: Cluster, edit: Edit) -> Any:
    """What is at the path now; of a list that is added to, the last item, as far as it was given."""
    here: Any = mesh.get(edit.what, *edit.place)
    for step in edit.path.strip("/").split("/"):
        step = step.replace("~1", "/")
        here = here[-1 if step == "-" else int(step)] if isinstance(here, list) else here.get(step)
    if isinstance(here, dict) and isinstance(edit.value, dict):
        return {key: value for key, value in here.items() if key in edit.value}
    return here


def _object(mesh: Cluster, edit: Edit) -> str:
    """As an audit log and an Event have it: resource.group and name."""
    found = mesh.get(edit.what, *edit.place)
    return _named(found["apiVersion"], found["kind"], found["metadata"]["name"])


def _related(event: Obj) -> str:
    related = event["related"]
    return _named(related["apiVersion"], related["kind"], related["name"])


def _named(api_version: str, kind: str, name: str) -> str:
    group = api_version.rpartition("/")[0]
    return f"{kind.lower()}s{f'.{group}' if group else ''} {name}"
