"""What holds a revision up, what does not, and that the printed commands free it: on both clusters."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from harness import CANARY, MESH, STABLE, Cluster, Obj, Result, deployment, eventually, namespace
from inmemory import BOTH, either
from scenery import Edit, Scene, Tag, findings, may, obj, staged, user

SPACE = "sc-shop"
WITHOUT_CORE = "apps,batch,coordination.k8s.io,apiextensions.k8s.io,admissionregistration.k8s.io,pilotage.dev"


@pytest.fixture(scope="module", params=BOTH)
def mesh(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with either(request.param, "sc-before-removal") as made:
        made.enable().must()
        made.apply(namespace(SPACE))
        made.pilotage("upgrade", "start", "--revision", CANARY).must()
        yield made


def space(**labels: str) -> Edit:
    """How the applications' namespace is labelled."""
    return Edit(f"namespace/{SPACE}", {"metadata": {"labels": namespace(SPACE, **labels)["metadata"]["labels"]}})


def removal(mesh: Cluster, verb: str = "complete", *words: str) -> Result:
    return mesh.pilotage("upgrade", verb, "--dry-run", "-o", "json", *words)


def workload(kind: str, name: str, place: str = SPACE, **labels: str) -> Obj:
    """One of the kinds that a Deployment's pods can be given to."""
    made = deployment(place, name, replicas=1, **labels)
    spec = made["spec"]
    version = "apps/v1"
    if kind == "DaemonSet":
        del spec["replicas"]
    if kind == "Job":
        version = "batch/v1"
        spec = {"template": spec["template"]}
        spec["template"]["spec"]["restartPolicy"] = "Never"
    if kind == "Pod":
        version, spec = "v1", spec["template"]["spec"]
        return obj(kind, name, space=place, labels={"app": name}, spec=spec)
    return obj(kind, name, space=place, version=version, spec=spec)


def suspended(name: str, **labels: str) -> Obj:
    job = workload("Job", name, **labels)["spec"]
    spec = {"schedule": "0 0 * * *", "suspend": True, "jobTemplate": {"spec": job}}
    return obj("CronJob", name, space=SPACE, version="batch/v1", spec=spec)


def route(**labels: str) -> Obj:
    spec = {"hosts": ["shop"], "http": [{"route": [{"destination": {"host": "shop"}}]}]}
    marks = {f"istio.io/{key}": value for key, value in labels.items()}
    return obj("VirtualService", "route", space=SPACE, version="networking.istio.io/v1", labels=marks, spec=spec)


class World(NamedTuple):
    """Asked to complete; `held` are words of the messages that refuse, one for each group; none where nothing holds."""

    sentence: str
    scene: Scene
    held: tuple[str, ...] = ()


OLD, NEW = {"rev": STABLE}, {"rev": CANARY}
HOLDING = [
    World("a namespace labelled for it, without one pod", (space(**OLD),), (f"namespaces: {SPACE}",)),
    World("a namespace labelled for a tag of it", (Tag("prod", STABLE), space(rev="prod")), ("tag prod",)),
    World(
        "a namespace that asks for the default tag",
        (Tag("default", STABLE), space(istio_injection="enabled")),
        ("istio-injection=enabled",),
    ),
    World(
        "a Deployment at 0 replicas labelled for it",
        (deployment(SPACE, "web", replicas=0, **OLD),),
        ("templates of Deployments",),
    ),
    World("a suspended CronJob", (suspended("nightly", **OLD),), ("templates of CronJobs",)),
    World("a route only its istiod reads", (route(**OLD),), ("VirtualService resources",)),
    World(
        "pods of every kind of workload",
        (
            namespace("sc-kinds", rev=STABLE),  # made with its label: admission learns of a change only after it
            *(workload(kind, kind.lower(), "sc-kinds") for kind in ("Deployment", "StatefulSet", "DaemonSet", "Pod")),
        ),
        (
            "namespaces",
            "pods of Deployment deployment",
            "pods of StatefulSet statefulset",
            "pods of DaemonSet daemonset",
            "pods without a workload",
        ),
    ),
    World(
        "pods that ask for it by themselves",
        (workload("Deployment", "web", **OLD),),
        ("templates of Deployments", "pods of Deployment web"),
    ),
]
FREE = [
    World("nothing is in the mesh", ()),
    World("a namespace labelled for the other one", (space(**NEW), workload("Deployment", "web"))),
    World("a namespace of a tag of the other one", (Tag("prod", CANARY), space(rev="prod"))),
    World("a tag of it with nobody behind it", (Tag("prod", STABLE),)),
    World("istio-injection=disabled hides the label", (space(istio_injection="disabled", **OLD),)),
    World("its namespace's label beats a template's", (space(**NEW), deployment(SPACE, "web", 0, **OLD))),
    World("a template of the other one", (suspended("nightly", **NEW),)),
    World("a route only the other istiod reads", (route(**NEW),)),
    World("a Job that is done", (workload("Job", "once", **OLD),)),
    World("pods without a proxy", (workload("Deployment", "web"),)),
]


def named(world: World) -> str:
    return world.sentence.replace(" ", "-")


@pytest.mark.parametrize("world", HOLDING, ids=named)
def test_a_revision_in_use_stays_and_the_printed_commands_free_it(mesh: Cluster, world: World) -> None:
    with staged(mesh, *world.scene):
        refused = removal(mesh).must(3)
        found = findings(refused)
        assert {finding["code"] for finding in found} == {"RevisionInUse"}
        messages = [finding["message"] for finding in found]
        assert all(any(words in message for message in messages) for words in world.held), messages
        assert len(messages) == len(world.held), messages
        obey(mesh, found)
        eventually("nothing holds it", lambda: removal(mesh).code == 0)


@pytest.mark.parametrize("world", FREE, ids=named)
def test_a_revision_that_nothing_needs_may_go(mesh: Cluster, world: World) -> None:
    with staged(mesh, *world.scene):
        assert findings(removal(mesh).must()) == []


@pytest.mark.parametrize("thing", [space(**NEW), route(**NEW)], ids=["a-namespace", "a-route"])
def test_what_needs_the_canary_holds_up_its_rollback_and_not_the_completion(mesh: Cluster, thing: Edit | Obj) -> None:
    with staged(mesh, thing):
        found = findings(removal(mesh, "rollback").must(3))
        assert {(finding["code"], finding["subject"]) for finding in found} == {("RevisionInUse", CANARY)}
        assert STABLE in found[0]["fix"]
        removal(mesh, "complete").must()


def test_a_proxy_that_is_connected_holds_although_no_label_says_so(mesh: Cluster) -> None:
    proxy: Obj = {"name": "istio-proxy", "image": "example/proxy:1"}
    proxy["env"] = [{"name": "CA_ADDR", "value": f"istiod-{STABLE}.{MESH}.svc:15012"}]
    pod = obj("Pod", "moved", space=SPACE, labels={"app": "moved"}, spec={"containers": [proxy]})
    pod["metadata"]["annotations"] = {"istio.io/rev": CANARY, "sidecar.istio.io/status": "{}"}
    with staged(mesh, pod):
        (found,) = eventually("its proxy is connected", lambda: findings(removal(mesh)))
        assert found["message"].startswith(f"connected proxies in namespace {SPACE}: moved: connected to istiod")
    eventually("it is gone", lambda: removal(mesh).code == 0)


def test_a_tag_that_git_keeps_holds_since_a_removal_could_not_move_it(mesh: Cluster) -> None:
    mark = {"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "mesh:x"}}}
    config = f"mutatingwebhookconfiguration/istio-revision-tag-prod-{MESH}"
    with staged(mesh, Tag("prod", STABLE), Edit(config, mark)):
        (found,) = findings(removal(mesh).must(3))
    assert "kept by Argo CD" in found["message"]
    assert f"pilotage tag generate prod --revision {CANARY} --overwrite" in found["fix"]


def test_what_may_not_be_looked_at_is_not_taken_for_free(mesh: Cluster) -> None:
    blind = user(mesh, "sc-no-pods", may("*", "namespaces,services,configmaps", ""), may("*", groups=WITHOUT_CORE))
    found = findings(removal(mesh, "complete", "--kubeconfig", blind).must(3))
    assert {finding["code"] for finding in found} == {"RevisionInUse"}
    assert all(finding["message"].startswith(f"cannot tell whether {STABLE} is in use") for finding in found)


def test_nothing_is_removed_while_the_survivor_could_not_take_over(mesh: Cluster) -> None:
    name = f"deployment/istiod-{CANARY}"
    with staged(mesh, Edit(name, {"spec": {"replicas": 0}}, MESH)):
        eventually("the canary's istiod is down", lambda: not mesh.names("pods", MESH, f"istio.io/rev={CANARY}"))
        found = findings(removal(mesh).must(3))
        assert {(finding["code"], finding["subject"]) for finding in found} == {("IstiodNotAvailable", CANARY)}
        removal(mesh, "rollback").must()
    eventually("it may take over again", lambda: removal(mesh).code == 0)


def obey(mesh: Cluster, found: list[dict[str, str]]) -> None:
    for finding in found:
        mesh.obey(finding["fix"]).must()
