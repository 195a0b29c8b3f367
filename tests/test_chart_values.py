"""The chart's templates and its schema: what is rendered for which values, and which values are refused."""

import json
import subprocess
import sys

import pytest
import yaml

from harness import Obj
from pilotage.domain.crd import service_mesh_crd
from release import CHART, DIGEST, IMAGE, ROOT, is_crd, one, render

KEY = "A" * 43 + "="
NONSENSE = {
    "an image without a repository": {"image": {"digest": DIGEST}},
    "an image with neither digest nor tag": {"image": {"repository": "registry.example/pilotage"}},
    "a digest that is none": {"image": {"repository": "registry.example/pilotage", "digest": "sha256:1234"}},
    "a repository that holds a tag": {"image": {"repository": "registry.example/pilotage:1.0", "digest": DIGEST}},
    "a repository with a scheme": {"image": {"repository": "https://registry.example/pilotage", "digest": DIGEST}},
    "no replicas": {"replicas": 0},
    "replicas in words": {"replicas": "two"},
    "a setting that nothing reads": {"replicaCount": 2},
    "a port that needs a capability": {"port": 80},
    "a catalog that is a file": {"catalog": "/etc/catalog.yaml"},
    "a catalog from a URL that nobody signs": {"catalog": "https://releases.example.org/catalog.yaml"},
    "a key of nothing": {"catalogKey": KEY},
    "a key that is none": {"catalog": "https://releases.example.org/catalog.yaml", "catalogKey": "secret"},
    "a catalog that anybody may change on its way": {"catalog": "http://example.org/catalog", "catalogKey": KEY},
    "an address without a length": {"networkPolicy": {"apiServer": {"cidrs": ["10.0.0.1"]}}},
    "no port to the API server": {"networkPolicy": {"apiServer": {"ports": []}}},
    "metrics for nobody that can be named": {"networkPolicy": {"metricsFrom": {"labels": {"a": "b"}}}},
    "a label that the chart itself sets": {"podLabels": {"app.kubernetes.io/name": "other"}},
    "an annotation that is a number": {"podAnnotations": {"example": 1}},
}


@pytest.mark.parametrize("values", NONSENSE.values(), ids=NONSENSE)
def test_the_schema_refuses(values: Obj) -> None:
    with pytest.raises(ValueError, match="don't meet the specifications"):
        render(values)


def test_helms_own_linter_has_no_complaint() -> None:
    # In a process of its own, as Helm's engine always is.
    program = "import helm_python, json, sys; print(json.dumps(helm_python.lint(**json.load(sys.stdin))))"
    asked = json.dumps({"path": str(CHART), "values": IMAGE, "strict": True, "kube_version": "v1.30.0"})
    done = subprocess.run([sys.executable, "-c", program], input=asked, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert not said["errors"]
    assert not [message for message in said["messages"] if message["severity"] > 1]


def test_the_image_is_named_by_its_digest_and_by_a_tag_only_where_one_was_given() -> None:
    (container,) = _pod()["containers"]
    assert container["image"] == f"registry.example/pilotage@{DIGEST}"
    (tried,) = _pod({"image": {"repository": "registry.example/pilotage", "tag": "trial"}})["containers"]
    assert tried["image"] == "registry.example/pilotage:trial"


def test_the_pod_needs_no_right_on_its_node() -> None:
    pod = _pod()
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
    assert not [volume for volume in pod["volumes"] if "hostPath" in volume]


def test_the_only_token_in_the_pod_expires() -> None:
    objects = render()
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    assert one(objects, "ServiceAccount")["automountServiceAccountToken"] is False
    assert pod["automountServiceAccountToken"] is False
    tokens = [
        s["serviceAccountToken"] for v in pod["volumes"] if "projected" in v for s in v["projected"]["sources"][:1]
    ]
    assert [token["expirationSeconds"] <= 3607 for token in tokens] == [True]


def test_what_the_program_writes_to_is_a_volume() -> None:
    (container,) = _pod()["containers"]
    folders = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    said = {entry["name"]: entry["value"] for entry in container["env"]}
    assert {said["HOME"], said["XDG_CACHE_HOME"]} <= folders


def test_probes_metrics_service_and_network_policy_speak_of_one_port() -> None:
    objects = render({"port": 9090})
    (container,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert port["containerPort"] == 9090
    assert any(word.endswith(":9090") for word in container["args"])
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")]
    assert [probe["port"] for probe in probes] == [port["name"]] * 2
    assert [each["targetPort"] for each in one(objects, "Service")["spec"]["ports"]] == [port["name"]]
    (rule,) = one(objects, "NetworkPolicy")["spec"]["ingress"]
    assert [each["port"] for each in rule["ports"]] == [port["name"]]


def test_everything_that_selects_the_pods_selects_them_and_no_others() -> None:
    objects = render({"podMonitor": {"enabled": True}}, name="blue")
    template = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        one(objects, "Deployment")["spec"]["selector"]["matchLabels"],
        one(objects, "Service")["spec"]["selector"],
        one(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        one(objects, "PodMonitor")["spec"]["selector"]["matchLabels"],
    ]
    assert all(selector.items() <= template.items() for selector in selectors)
    assert all(selector["app.kubernetes.io/instance"] == "blue" for selector in selectors)


def test_one_replica_has_no_budget_that_would_hold_its_node() -> None:
    assert "PodDisruptionBudget" not in {obj["kind"] for obj in render({"replicas": 1})}


def test_the_network_policy_lets_out_to_what_is_named_and_to_nothing_else() -> None:
    reach = {"apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [6443]}, "charts": {"enabled": False}}
    _, api = one(render({"networkPolicy": reach}), "NetworkPolicy")["spec"]["egress"]
    assert api == {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"protocol": "TCP", "port": 6443}]}


def test_a_catalog_from_a_url_is_handed_over_with_its_key_and_the_way_to_it_is_open() -> None:
    place = {"catalog": "https://releases.example.org/catalog.yaml", "catalogKey": KEY}
    way = {"charts": {"enabled": False}, "catalog": {"cidrs": ["192.0.2.0/24"], "ports": [8443]}}
    objects = render({**place, "networkPolicy": way})
    (container,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"--catalog=" + place["catalog"], "--catalog-key=" + KEY} <= set(container["args"])
    *_, out = one(objects, "NetworkPolicy")["spec"]["egress"]
    assert out == {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"protocol": "TCP", "port": 8443}]}


def test_the_way_to_the_url_of_the_resource_is_opened_by_name() -> None:
    closed = {"charts": {"enabled": False}}
    before = one(render({"networkPolicy": closed}), "NetworkPolicy")["spec"]["egress"]
    after = one(render({"networkPolicy": {**closed, "catalog": {"enabled": True}}}), "NetworkPolicy")["spec"]["egress"]
    assert after[: len(before)] == before
    assert [rule["ports"] for rule in after[len(before) :]] == [[{"protocol": "TCP", "port": 443}]]


def test_values_of_a_chart_without_the_setting_are_taken() -> None:
    """helm upgrade --reuse-values."""
    objects = render({"networkPolicy": {"catalog": None}, "catalogKey": None})
    assert len(one(objects, "NetworkPolicy")["spec"]["egress"]) == 3


def test_the_operator_has_the_rules_of_the_full_role_and_no_others() -> None:
    objects = render()
    binding = one(objects, "ClusterRoleBinding")
    (subject,) = binding["subjects"]
    account = one(objects, "ServiceAccount")["metadata"]
    assert (subject["namespace"], subject["name"]) == (account["namespace"], account["name"])
    roles = {obj["metadata"]["name"]: obj["rules"] for obj in objects if obj["kind"] == "ClusterRole"}
    assert roles[binding["roleRef"]["name"]] == yaml.safe_load((CHART / "rbac" / "full.yaml").read_text())
    assert not [obj for obj in objects if obj["kind"] in ("Role", "RoleBinding")]


def test_the_fence_holds_the_account_that_the_pod_runs_as() -> None:
    objects = render({"serviceAccount": {"name": "mesh-operator"}})
    (condition,) = one(objects, "ValidatingAdmissionPolicy")["spec"]["matchConditions"]
    assert "'system:serviceaccount:pilotage-system:mesh-operator'" in condition["expression"]
    assert one(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "mesh-operator"


def test_the_crds_are_those_of_the_code_and_no_tool_takes_them_back() -> None:
    (crd,) = [obj for obj in render() if is_crd(obj)]
    assert crd["spec"] == service_mesh_crd()["spec"]
    marks = crd["metadata"]["annotations"]
    assert marks["helm.sh/resource-policy"] == "keep"
    assert marks["argocd.argoproj.io/sync-options"] == "Delete=false,Prune=false"


def test_chart_and_package_are_of_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    package = (ROOT / "pyproject.toml").read_text()
    assert f'\nversion = "{chart["version"]}"\n' in package
    assert chart["appVersion"] == chart["version"]


def _pod(values: Obj | None = None) -> Obj:
    return dict(one(render(values), "Deployment")["spec"]["template"]["spec"])
