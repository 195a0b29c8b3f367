"""Istio's own resources, judged by the schemas and rules of its CRDs alike on both servers."""

from typing import Any

import pytest
import yaml
from client import APPLY, Both, Obj, Server

from harness import eventually
from pilotage_sandbox import assets

pytestmark = pytest.mark.e2e

NETWORKING, SECURITY = "networking.istio.io/v1", "security.istio.io/v1"
PORT = {"number": 80, "name": "http", "protocol": "HTTP"}
TLS = {"number": 443, "name": "tls", "protocol": "TLS"}
ROUTE = {"destination": {"host": "web", "port": {"number": 80}}}
OUTSIDE = {"hosts": ["a.example.com"], "ports": [TLS], "location": "MESH_EXTERNAL"}
SELECTED = {"selector": {"matchLabels": {"app": "web"}}}
RESOURCES = [
    (NETWORKING, "gateways", {"selector": {"istio": "ingress"}, "servers": [{"port": PORT, "hosts": ["*"]}]}),
    (NETWORKING, "gateways", {"servers": [{"port": PORT}]}),
    (NETWORKING, "virtualservices", {"hosts": ["web"], "http": [{"timeout": "5s", "route": [ROUTE]}]}),
    (NETWORKING, "virtualservices", {"hosts": ["web"], "http": [{"timeout": "0s", "route": [ROUTE]}]}),
    (NETWORKING, "virtualservices", {"hosts": ["web"], "http": [{"timeout": "soon", "route": [ROUTE]}]}),
    (NETWORKING, "destinationrules", {"host": "web", "subsets": [{"name": "v1", "labels": {"version": "v1"}}]}),
    (NETWORKING, "destinationrules", {"host": "web", "trafficPolicy": {"outlierDetection": {"interval": "5s"}}}),
    (NETWORKING, "destinationrules", {"host": "web", "trafficPolicy": {"tls": {"mode": "PERHAPS"}}}),
    (NETWORKING, "serviceentries", OUTSIDE | {"resolution": "DNS"}),
    (NETWORKING, "serviceentries", OUTSIDE | {"resolution": "DNS", "addresses": ["10.0.0.0/8"]}),
    (NETWORKING, "serviceentries", OUTSIDE | {"hosts": ["*"]}),
    (NETWORKING, "serviceentries", OUTSIDE | {"endpoints": [{"address": "1.2.3.4"}]}),
    (NETWORKING, "serviceentries", OUTSIDE | {"ports": [TLS, TLS | {"name": "again"}]}),
    (NETWORKING, "sidecars", {"egress": [{"hosts": ["./*"]}]}),
    (NETWORKING, "workloadentries", {"address": "1.2.3.4"}),
    (NETWORKING, "workloadentries", {"address": "unix:///run/web.sock", "ports": {"http": 80}}),
    (NETWORKING, "workloadentries", {"weight": 1}),
    (SECURITY, "peerauthentications", {"mtls": {"mode": "STRICT"}}),
    (SECURITY, "peerauthentications", {"portLevelMtls": {"80": {"mode": "STRICT"}}}),
    (SECURITY, "authorizationpolicies", SELECTED | {"rules": [{}]}),
    (SECURITY, "authorizationpolicies", {"selector": {"matchLabels": {"app": "*"}}}),
    (SECURITY, "authorizationpolicies", SELECTED | {"targetRef": {"kind": "Gateway", "name": "web"}}),
    (SECURITY, "requestauthentications", {"jwtRules": [{"issuer": "x"}]}),
    ("telemetry.istio.io/v1", "telemetries", {"accessLogging": [{"disabled": True}]}),
]


@pytest.fixture(scope="module")
def istio(both: Both) -> Both:
    """Both servers, with Istio's CRDs."""
    text = (assets.charts_dir() / "base" / "files" / "crd-all.gen.yaml").read_text()
    for crd in yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        for server in both if crd else ():
            server.apply(crd, force=True)
    for server in both:
        for kind in {(api_version, plural) for api_version, plural, _ in RESOURCES}:
            eventually(f"{kind} is served and told", lambda server=server, kind=kind: is_served(server, *kind))
    return both


def is_served(server: Server, api_version: str, plural: str) -> bool:
    """Discovery tells of it by itself, before or after."""
    told = server.ask("GET", f"/apis/{api_version}")
    known = told.code == 200 and plural in {row["name"] for row in told.body["resources"]}
    return known and server.ask("GET", f"/apis/{api_version}/{plural}").code == 200


@pytest.mark.parametrize(("api_version", "plural", "spec"), RESOURCES)
def test_a_resource_is_taken_or_refused_alike(istio: Both, api_version: str, plural: str, spec: Any) -> None:
    path = f"/apis/{api_version}/namespaces/default/{plural}/web"
    obj: Obj = {"apiVersion": api_version, "metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    memory, real = (
        server.ask(
            "PATCH",
            path,
            obj | {"kind": kind_of(server.ask("GET", f"/apis/{api_version}").body, plural)},
            content=APPLY,
            fieldManager="alice",
            dryRun="All",
        )
        for server in istio
    )
    assert memory.said == real.said
    assert memory.body.get("spec") == real.body.get("spec")


def kind_of(discovered: Obj, plural: str) -> str:
    (kind,) = (row["kind"] for row in discovered["resources"] if row["name"] == plural)
    return str(kind)
