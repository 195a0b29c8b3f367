"""The guide's upgrade, step by step in the guide's order, with the tools the guide gives each command to.

`kubectl` and `istioctl` are the real ones; `pilotage` stands where the guide has `az aks mesh`.
"""

import re
from collections import Counter
from typing import Final

from harness import CANARY, MESH, STABLE, Cluster, Obj, deployment, eventually, namespace

SPACE: Final = "shop"
WORKLOADS: Final = ("web", "cart")
GATEWAY, GATEWAYS = "aks-istio-ingressgateway-external", "aks-istio-ingress"
_PROXY: Final = "mcr.microsoft.com/oss/istio/proxyv2"
_IMAGES: Final = (
    'jsonpath={range .items[*]}{"\\n"}{.metadata.name}{":\\t"}{range .spec.containers[*]}{.image}{", "}{end}{end}'
)


class Guide:
    """One pass. `tags`: namespaces keep tag prod-stable; else they are relabelled with the revision."""

    def __init__(self, cluster: Cluster, *, tags: bool) -> None:
        self.cluster, self.tags = cluster, tags
        self.service: Obj = {}  # the gateways', as it was before the upgrade
        self.address: Obj = {}  # of its load balancer, as first seen

    def begin(self) -> None:
        """A mesh on the old revision with applications in it."""
        self.cluster.enable().must()
        label = "prod-stable" if self.tags else STABLE
        if self.tags:
            self.istioctl("tag", "set", "prod-stable", "--revision", STABLE)
        self.cluster.apply(namespace(SPACE), *(deployment(SPACE, name) for name in WORKLOADS))
        self.label(label)
        self.cluster.expect_injection(SPACE, STABLE)
        self.restart()
        self.expect_proxies(STABLE)
        self.open_gateway()

    def open_gateway(self) -> None:
        """The guide's ingress gateway. It has no traffic, so no load balancer is waited for as pods come and go."""
        asked = {"name": GATEWAY, "type": "External", "drainSeconds": 1, "values": {"minReadySeconds": 1}}
        self.cluster.patch("servicemesh/default", {"spec": {"gateways": [asked]}})
        self.cluster.pilotage("gateway", "enable", "--type", "external").must()
        spec = {"externalTrafficPolicy": "Local", "sessionAffinity": "ClientIP"}
        self.cluster.patch(f"service/{GATEWAY}", {"spec": spec}, GATEWAYS)
        self.service = self.service_now()
        self.expect_gateways(STABLE)

    def check_upgrades(self) -> None:
        """Step 1."""
        (offer,) = [row for row in [self.cluster.pilotage("get-upgrades", "-o", "json").must().document] if row]
        assert (offer["revision"], offer["upgrades"]) == (STABLE, [CANARY])

    def start(self) -> None:
        """Steps 2 and 3."""
        self.cluster.pilotage("upgrade", "start", "--revision", CANARY).must()

    def tag_the_canary(self) -> None:
        """Step 4."""
        if self.tags:
            self.istioctl("tag", "set", "prod-canary", "--revision", CANARY)

    def expect_both(self) -> None:
        """Step 5: both control planes run, and nothing has moved."""
        pods = self.cluster.get("pods", "-n", MESH, "-l", "app=istiod")["items"]
        assert {pod["metadata"]["labels"]["istio.io/rev"] for pod in pods} == {STABLE, CANARY}
        self.expect_gateways(STABLE, CANARY)
        self.expect_proxies(STABLE)

    def move(self, revision: str) -> None:
        """Step 6: a tag is moved, or the namespace relabelled; running pods do not change."""
        before = self.cluster.proxies(SPACE)
        if self.tags:
            self.istioctl("tag", "set", "prod-stable", "--revision", revision, "--overwrite")
        else:
            self.label(revision)
        assert self.cluster.proxies(SPACE) == before
        self.cluster.expect_injection(SPACE, revision)

    def restart(self) -> None:
        """Step 7, each workload by itself."""
        for name in WORKLOADS:
            self.cluster.kubectl("rollout", "restart", "deployment", name, "-n", SPACE).must()
            self.cluster.kubectl("rollout", "status", "deployment", name, "-n", SPACE, "--timeout=120s").must()

    def add_application(self, revision: str) -> None:
        """One that is created later gets the proxy that the label selects now."""
        self.cluster.apply(deployment(SPACE, "late", replicas=1))
        self.cluster.kubectl("rollout", "status", "deployment", "late", "-n", SPACE, "--timeout=120s").must()
        eventually(f"late runs on {revision}", lambda: self.cluster.proxies(SPACE).get("late") == {revision})

    def remove_application(self) -> None:
        """The late one; its pods go after it."""
        self.cluster.kubectl("delete", "deployment", "late", "-n", SPACE).must()
        eventually("late is gone", lambda: not self.cluster.names("pods", SPACE, "app=late"))

    def decide(self, verb: str) -> None:
        """Step 8."""
        self.cluster.pilotage("upgrade", verb, "--yes").must()

    def tidy(self) -> None:
        """The guide's last command of step 8."""
        if self.tags:
            self.istioctl("tag", "remove", "prod-canary", "-y")

    def expect_one(self, revision: str, gone: str) -> None:
        """Only one control plane is left, whole, with nothing of the other and nothing that points at it."""
        eventually(f"{gone} has no pods", lambda: not self.cluster.names("pods", MESH, f"istio.io/rev={gone}"))
        for kind in ("deployments", "services", "configmaps", "serviceaccounts", "hpa", "pdb", "roles", "leases"):
            assert not {name for name in self.cluster.names(kind, MESH) if name.endswith(gone)}, kind
        for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
            for config in self.cluster.get(kind)["items"]:
                self._expect_live_target(config, revision)
        self.expect_gateways(revision)
        assert revision in {
            row["name"] for row in self.cluster.pilotage("status", "-o", "json").must().document["revisions"]
        }

    def _expect_live_target(self, config: Obj, revision: str) -> None:
        for webhook in config["webhooks"]:
            service = webhook["clientConfig"].get("service")
            if service and service["namespace"] == MESH:
                assert service["name"] == f"istiod-{revision}", config["metadata"]["name"]
                assert webhook["clientConfig"].get("caBundle"), config["metadata"]["name"]

    def expect_gateways(self, *revisions: str) -> None:
        """`kubectl get pods -n aks-istio-ingress` shows these; they are ready, and their Service is as it was."""
        pods = self.cluster.get("pods", "-n", GATEWAYS, "-l", f"istio={GATEWAY}")["items"]
        assert {pod["metadata"]["annotations"]["istio.io/rev"] for pod in pods} == set(revisions)
        (row,) = self.cluster.pilotage("gateway", "list", "-o", "json").must().document
        assert all(each["ready"] for each in row["revisions"]), row
        assert self.service_now() == self.service

    def service_now(self) -> Obj:
        """With its uid, addresses, node ports and what its user has set. An address, once given, stays."""
        found = self.cluster.get(f"service/{GATEWAY}", "-n", GATEWAYS)
        self.address = self.address or found["status"]["loadBalancer"]
        assert found["status"]["loadBalancer"] == self.address
        return {"uid": found["metadata"]["uid"], "spec": found["spec"]}

    def expect_proxies(self, revision: str) -> None:
        wanted = {name: {revision} for name in WORKLOADS}
        eventually(f"{wanted}", lambda: {name: self.cluster.proxies(SPACE).get(name) for name in WORKLOADS} == wanted)

    def target_images(self) -> set[str]:
        """The guide's first image command."""
        text = self.cluster.kubectl("get", "cm", "-n", MESH, "-o", "yaml").must().out
        return set(re.findall(rf"{_PROXY}:[^\"\s\\]+", text))

    def running_images(self) -> dict[str, str]:
        """The guide's second image command: pod -> proxy image."""
        text = self.cluster.kubectl("get", "pods", "--all-namespaces", "-o", _IMAGES).must().out
        lines = sorted(line for line in text.splitlines() if _PROXY in line)
        return {line.split(":", 1)[0]: re.findall(rf"{_PROXY}:[^,\s]+", line)[0] for line in lines}

    def expect_drift(self, *behind: str) -> None:
        """`pilotage drift` finds what both of the guide's image commands find, and these workloads behind."""
        eventually(f"{set(behind)} behind, by all who look", lambda: self._drifts(set(behind)))

    def _drifts(self, behind: set[str]) -> bool:
        """Pods that are on their way out are told by kubectl, and not by pilotage: once they are gone, both agree."""
        drift = self.cluster.pilotage("drift", "-o", "json")
        if drift.code != (4 if behind else 0):
            return False
        told = drift.document
        running = Counter(row["image"] for row in told["proxies"] for _ in range(row["pods"]) if row["image"])
        return (
            {target["image"] for target in told["targets"]} == self.target_images()
            and running == Counter(self.running_images().values())
            and {row["workload"] for row in told["proxies"] if row["state"] == "Behind"} == behind
        )

    def label(self, value: str) -> None:
        self.cluster.kubectl("label", "namespace", SPACE, f"istio.io/rev={value}", "--overwrite").must()

    def istioctl(self, *words: str) -> None:
        self.cluster.istioctl(*words, "--istioNamespace", MESH).must()
