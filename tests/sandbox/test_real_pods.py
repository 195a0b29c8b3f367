"""Real istiods and the crowd's proxies in a real sandbox: started, connected, failing on purpose, ended."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import yaml
from helm_python import Chart

from harness import CANARY, MESH, STABLE, Cluster, deployment, eventually, namespace

pytestmark = pytest.mark.e2e

IMAGE = "example/pilot:1.31.0"


def install(cluster: Cluster, revision: str, image: str = IMAGE, replicas: int = 1) -> None:
    """A control plane from Istio's own charts, put there as Helm would."""
    values = {
        "revision": revision,
        "image": image,
        "autoscaleEnabled": False,
        "replicaCount": replicas,
        "global": {"istioNamespace": MESH, "proxy": {"image": "example/proxyv2:1.31.0"}},
    }
    chart = Chart.load(str(cluster.assets["charts"] / "istio-control" / "istio-discovery"))
    files = chart.render(values, name=f"istiod-{revision}", namespace=MESH)
    texts = [text for name, text in files.items() if not name.endswith("NOTES.txt")]
    objects = [obj for text in texts for obj in yaml.safe_load_all(text) if obj]
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    cluster.kubectl("apply", "--server-side", "-f", "-", given=body).must()


@pytest.fixture(scope="module")
def mesh(shared: Cluster) -> Cluster:
    """A sandbox with a stable revision of two replicas and an application of three pods."""
    shared.apply(namespace(MESH))
    chart = Chart.load(str(shared.assets["charts"] / "base"))
    crds = chart.render({"global": {"istioNamespace": MESH}}, name="base", namespace=MESH)["base/templates/crds.yaml"]
    shared.kubectl("apply", "--server-side", "-f", "-", given=crds).must()
    install(shared, STABLE, replicas=2)
    eventually("two istiods ready", lambda: ready(shared, STABLE) == 2)
    shared.apply(namespace("shop", rev=STABLE), deployment("shop", "cart", replicas=3))
    eventually("the crowd connected", lambda: connected(shared, STABLE) == 3)
    return shared


@pytest.fixture
def canary(mesh: Cluster) -> Iterator[Cluster]:
    """The mesh, from which any canary is removed afterwards."""
    yield mesh
    mesh.kubectl("delete", "deploy,hpa,pdb,svc", "-n", MESH, "-l", f"istio.io/rev={CANARY}").must()
    hooks = "mutatingwebhookconfigurations,validatingwebhookconfigurations"
    mesh.kubectl("delete", hooks, "-l", f"istio.io/rev={CANARY}").must()
    eventually("the canary's pods gone", lambda: not pods(mesh, CANARY))


def pods(cluster: Cluster, revision: str) -> list[Any]:
    """The istiod pods of a revision."""
    found: list[Any] = cluster.get("pods", "-n", MESH, "-l", f"app=istiod,istio.io/rev={revision}")["items"]
    return found


def container(cluster: Cluster, revision: str) -> Any:
    """The status of the discovery container of a revision's only pod, {} before there is one."""
    statuses = [pod.get("status", {}).get("containerStatuses") for pod in pods(cluster, revision)]
    return statuses[0][0] if statuses and statuses[0] else {}


def ready(cluster: Cluster, revision: str) -> int:
    """How many istiod pods of a revision are Ready."""
    conditions = [entry for pod in pods(cluster, revision) for entry in pod.get("status", {}).get("conditions", [])]
    return sum(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def metric(cluster: Cluster, revision: str, name: str) -> float:
    """The sum of a metric over a revision's istiods, asked through the API server."""
    total = 0.0
    for pod in pods(cluster, revision):
        path = f"/api/v1/namespaces/{MESH}/pods/{pod['metadata']['name']}:15014/proxy/metrics"
        text = cluster.kubectl("get", "--raw", path).out
        total += sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))
    return total


def connected(cluster: Cluster, revision: str) -> int:
    """Proxies connected, as the istiods of a revision count them."""
    return int(metric(cluster, revision, "pilot_xds"))


def annotate(cluster: Cluster, word: str) -> None:
    """Have all pods of the application behave so."""
    mark = f"sandbox.pilotage.dev/ads={word}" if word else "sandbox.pilotage.dev/ads-"
    cluster.kubectl("annotate", "--overwrite", "-n", "shop", "pods", "--all", mark).must()


def test_each_istiod_pod_is_a_process_with_an_address_and_an_account_of_its_own(mesh: Cluster) -> None:
    found = pods(mesh, STABLE)
    assert len({pod["status"]["podIP"] for pod in found}) == 2
    assert all(pod["status"]["containerStatuses"][0]["restartCount"] == 0 for pod in found)
    says = mesh.kubectl("logs", "-n", MESH, found[0]["metadata"]["name"]).must().out
    assert "successfully acquired lease" in says or "attempting to acquire leader lease" in says


def test_istiod_itself_fills_in_its_webhooks_and_closes_its_validator(mesh: Cluster) -> None:
    def hooks() -> list[Any]:
        kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations"
        items = mesh.get(kinds, "-l", f"istio.io/rev={STABLE}")["items"]
        return [hook for item in items for hook in item["webhooks"]]

    def settled() -> bool:
        return all(hook["clientConfig"].get("caBundle") and hook["failurePolicy"] == "Fail" for hook in hooks())

    eventually("bundles filled and policies Fail", settled)


def test_the_debug_endpoint_knows_its_callers(mesh: Cluster) -> None:
    name = pods(mesh, STABLE)[0]["metadata"]["name"]
    through = mesh.kubectl("get", "--raw", f"/api/v1/namespaces/{MESH}/pods/{name}:15014/proxy/debug/syncz")
    assert through.code != 0
    forwarded = mesh.istioctl("proxy-status", "--revision", STABLE, "-i", MESH).must().out
    assert forwarded.count("cart-") == 3


def test_a_proxy_can_reject_its_listeners_and_can_go_away_and_come_back(mesh: Cluster) -> None:
    annotate(mesh, "nack")
    eventually("three rejects", lambda: metric(mesh, STABLE, "pilot_xds_lds_reject") == 3)
    annotate(mesh, "disconnect")
    eventually("nobody connected", lambda: connected(mesh, STABLE) == 0)
    annotate(mesh, "")
    eventually("all connected again", lambda: connected(mesh, STABLE) == 3)


def test_a_deleted_istiod_ends_and_its_proxies_go_to_the_other(mesh: Cluster) -> None:
    name = pods(mesh, STABLE)[0]["metadata"]["name"]
    mesh.kubectl("delete", "pod", "-n", MESH, name).must()
    eventually("two istiods ready", lambda: ready(mesh, STABLE) == 2)
    eventually("all connected again", lambda: connected(mesh, STABLE) == 3)
    assert name not in mesh.names("portforwards", MESH)


def test_an_istiod_that_crashes_is_restarted_with_growing_pauses(canary: Cluster) -> None:
    install(canary, CANARY, f"{IMAGE}-crash")
    seen = eventually("two restarts", lambda: (c := container(canary, CANARY)).get("restartCount", 0) >= 2 and c)
    assert seen["lastState"]["terminated"]["exitCode"] == 1
    assert "asks for a crash" in seen["lastState"]["terminated"]["message"]
    eventually("a crash loop", lambda: reason(container(canary, CANARY)) == "CrashLoopBackOff")


def test_an_image_that_does_not_exist_is_waited_for(canary: Cluster) -> None:
    install(canary, CANARY, f"{IMAGE}-missing")
    eventually("a back-off", lambda: reason(container(canary, CANARY)) == "ImagePullBackOff")
    assert not pods(canary, CANARY)[0]["status"].get("podIP")


def test_an_istiod_whose_probe_never_passes_runs_but_is_not_ready(canary: Cluster) -> None:
    install(canary, CANARY, f"{IMAGE}-neverready")
    eventually("a running container", lambda: container(canary, CANARY).get("started"))
    name = pods(canary, CANARY)[0]["metadata"]["name"]
    events = ("-n", MESH, "--field-selector", f"involvedObject.name={name},reason=Unhealthy")
    eventually("an Event about its probe", lambda: canary.get("events", *events)["items"])
    assert ready(canary, CANARY) == 0


def test_a_slow_image_is_waited_for_and_then_runs(canary: Cluster) -> None:
    install(canary, CANARY, f"{IMAGE}-slow3")
    eventually("ready", lambda: ready(canary, CANARY) == 1)
    (pod,) = pods(canary, CANARY)
    asked, began = pod["metadata"]["creationTimestamp"], container(canary, CANARY)["state"]["running"]["startedAt"]
    assert (datetime.fromisoformat(began) - datetime.fromisoformat(asked)).total_seconds() >= 3


def reason(status: Any) -> str:
    """Why a container waits, '' when it does not."""
    return str(status.get("state", {}).get("waiting", {}).get("reason", ""))
