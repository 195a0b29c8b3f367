"""A list in pages that expires, as the real client meets it."""

from pilotage.edge.kube import Kube
from pilotage_memory import memory_cluster
from pilotage_memory.faults import Fault


def test_a_list_that_expires_between_pages_is_told_whole() -> None:
    with memory_cluster() as cluster:
        for at in range(600):
            meta = {"name": f"settings-{at:03}", "namespace": "default"}
            cluster.store.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})

        def forget_before_the_second_page(_method: str, _path: str, query: object) -> Fault | None:
            if "continue" in query and cluster.store.since(cluster.store.version) == []:  # type: ignore[operator]
                cluster.store.forget()
                cluster.server.faults = lambda *_: None
            return None

        cluster.server.faults = forget_before_the_second_page
        kube = Kube.connect(str(cluster.kubeconfig))
        found = [obj["metadata"]["name"] for obj in kube.list("v1", "ConfigMap")]
        assert found == [f"settings-{at:03}" for at in range(600)]
