"""Worlds for tests: a Snapshot in a few lines. Each builder makes what a real cluster would show for one sentence.

world(revision("asm-1-30"), revision("asm-1-31"), tag("prod-stable", "asm-1-30"),
      namespace("shop", rev="prod-stable"), deployment("shop", "web", on="asm-1-30", pods=2))
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from pilotage.domain.catalog import Catalog, ClosingHome, MinorRelease, Release
from pilotage.domain.cluster import Container, Namespace, Node, Pod, Quota, Workload
from pilotage.domain.istio import (
    ControlPlane,
    IstiodReport,
    IstioResource,
    Proxy,
    Requirement,
    RevisionService,
    Selector,
    Webhook,
    WebhookConfig,
)
from pilotage.domain.mesh import ProfileName
from pilotage.domain.names import INJECTION, INJECTION_STATUS, PROXY_CONTAINER, REV, TAG, suffixed
from pilotage.domain.objects import Obj
from pilotage.domain.profile import PROFILES
from pilotage.domain.state import Snapshot
from pilotage.domain.version import Minor, Version, minor_in_name

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_KUBERNETES = tuple(Minor(1, minor) for minor in range(32, 37))
CATALOG = Catalog(
    tuple(
        MinorRelease(Minor(1, minor), date(2026, 5, 1), date(2027, 5, 31), "2027-05", _KUBERNETES, (Release(patch),))
        for minor, patch in ((30, Version(1, 30, 2)), (31, Version(1, 31, 0)))
    ),
    "two minors, both supported",
    date(2026, 10, 1),
    closing=(ClosingHome("gcr.io/istio-release", date(2026, 12, 1)),),
)
MESH = PROFILES[ProfileName.ISTIO].namespace
BUNDLE = "Y2E="  # any non-empty caBundle
_INJECT = "sidecar.istio.io/inject"

_FIELDS: dict[type, str] = {
    Namespace: "namespaces",
    Pod: "pods",
    Workload: "workloads",
    Node: "nodes",
    Quota: "quotas",
    ControlPlane: "control_planes",
    RevisionService: "revision_services",
    IstioResource: "resources",
    IstiodReport: "istiods",
}


def world(*things: Any, **facts: Any) -> Snapshot:
    """A Snapshot of all the things (nested iterables are fine); `facts` set its other fields, or replace found ones."""
    found: dict[str, list[Any]] = {}
    services = set()
    for thing in _flat(things):
        found.setdefault(_field_of(thing), []).append(thing)
        if isinstance(thing, RevisionService):
            services.add((thing.namespace, thing.name))
    fields = {name: tuple(values) for name, values in found.items()}
    fields["istiods"] = _reports(fields.get("istiods", ()), fields.get("pods", ()))
    defaults = {
        "now": NOW,
        "catalog": CATALOG,
        "profile": PROFILES[ProfileName.ISTIO],
        "kubernetes": Version(1, 36, 3),
        "services": frozenset(services),
    }
    return Snapshot(**(defaults | fields | facts))  # type: ignore[arg-type]


def namespace(name: str, *, rev: str = "", injection: str = "", **more: Any) -> Namespace:
    """A namespace labelled `istio.io/rev=<rev>` and `istio-injection=<injection>`, where given."""
    labels = {"kubernetes.io/metadata.name": name} | _given({REV: rev, INJECTION: injection}) | more.pop("labels", {})
    return Namespace(name, labels, **more)


def pod(space: str, name: str, *, on: str = "", of: tuple[str, str] | None = None, **more: Any) -> Pod:
    """A running pod; `on` is the revision whose proxy it has, `of` its workload as (kind, name), bare if left out."""
    container = Container("app", "example/app", ready=True)
    proxy = (Container(PROXY_CONTAINER, f"example/proxyv2:{on}", ready=True),) if on else ()
    annotations = {REV: on, INJECTION_STATUS: "{}"} if on else {}
    given = {"annotations": annotations, "containers": (container, *proxy), "created": "2026-11-22T11:00:00Z"} | more
    return Pod(space, name, workload=of or ("Pod", name), **given)


def workload(kind: str, space: str, name: str, *, rev: str = "", **more: Any) -> Workload:
    """A workload whose pod template asks for `rev`, where given."""
    labels = _given({REV: rev}) | more.pop("labels", {})
    api_version = {"Job": "batch/v1", "CronJob": "batch/v1", "Pod": "v1"}.get(kind, "apps/v1")
    return Workload(kind, space, name, labels=labels, **({"api_version": api_version} | more))


def deployment(space: str, name: str, *, on: str = "", pods: int = 1, rev: str = "") -> list[Workload | Pod]:
    """A settled Deployment and its pods, each with a proxy of revision `on`, where given."""
    counts = dict.fromkeys(("desired", "updated", "ready", "available", "total"), pods)
    owner = ("Deployment", name)
    labels = _given({REV: rev})
    owned = [pod(space, f"{name}-{at}", on=on, of=owner, labels=labels) for at in range(1, pods + 1)]
    return [workload("Deployment", space, name, rev=rev, **counts), *owned]


def revision(name: str, *, mesh: str = MESH, ca_bundle: str = BUNDLE, available: int = 1) -> list[Any]:
    """A proven control plane: istiod, its Service, injector, validator, and its answer: all its pods are connected."""
    minor = minor_in_name(name)
    plane = ControlPlane(name, mesh, suffixed("istiod", name), Version(*minor) if minor else None, available=available)
    return [
        plane,
        service(suffixed("istiod", name), mesh=mesh, labels={REV: name, "app": "istiod"}),
        injector(name, mesh=mesh, ca_bundle=ca_bundle),
        validator(name, mesh=mesh),
        *([report(name)] if available else []),
    ]


def service(name: str, *, mesh: str = MESH, labels: dict[str, str] | None = None) -> RevisionService:
    return RevisionService(mesh, name, labels or {})


def injector(rev: str, *, mesh: str = MESH, ca_bundle: str = BUNDLE, **more: Any) -> WebhookConfig:
    """A revision's own injection webhooks, with the selectors the charts give it."""
    name = suffixed("istio-sidecar-injector", rev) + ("" if mesh == MESH else f"-{mesh}")
    return _injecting(name, {REV: rev, "app": "sidecar-injector"} | more.pop("labels", {}), rev, mesh, ca_bundle)


def tag(name: str, rev: str, *, mesh: str = MESH, ca_bundle: str = BUNDLE) -> list[Any]:
    """A tag as istioctl makes it: webhooks and Service."""
    labels = {REV: rev, TAG: name}
    config = f"istio-revision-tag-{name}" + ("" if mesh == MESH else f"-{mesh}")
    return [
        _injecting(config, labels | {"app": "sidecar-injector"}, rev, mesh, ca_bundle),
        service(f"istiod-revision-tag-{name}", mesh=mesh, labels=labels | {"app": "istiod"}),
    ]


def validator(rev: str, *, mesh: str = MESH, failure_policy: str = "Fail", ca_bundle: str = BUNDLE) -> WebhookConfig:
    """A revision's own validator."""
    target = (mesh, suffixed("istiod", rev))
    webhook = Webhook("rev.validation.istio.io", target, "/validate", "", ca_bundle, failure_policy)
    kind = "ValidatingWebhookConfiguration"
    return WebhookConfig(kind, f"{suffixed('istio-validator', rev)}-{mesh}", {REV: rev}, {}, (webhook,))


def report(rev: str, *proxies: Proxy | str, only: bool = False, **more: Any) -> IstiodReport:
    """What an istiod of `rev` answers. Live pods of that revision are connected too, unless `only` these are."""
    given = tuple(Proxy(proxy) if isinstance(proxy, str) else proxy for proxy in proxies)
    mark = "" if only else _ALL
    return IstiodReport(rev, f"{mark}istiod-{rev}-0", given, **more)


def resource(kind: str, space: str, name: str, rev: str, api_version: str = "networking.istio.io/v1") -> IstioResource:
    return IstioResource(api_version, kind, space, name, rev)


def managed(manager: str, *path: str, operation: str = "Update") -> Obj:
    """One entry of managedFields: `manager` holds the field at `path` (segments as in fieldsV1, without `f:`)."""
    fields: Obj = {}
    for segment in reversed(path):
        fields = {segment if segment[:2] in ("k:", "v:") else f"f:{segment}": fields}
    return {"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields}


_ALL = "*"


def _reports(reports: Iterable[IstiodReport], pods: Iterable[Pod]) -> tuple[IstiodReport, ...]:
    """Connects the live pods of each revision to the first of its istiods that takes them."""
    taken: set[str] = set()
    answers = []
    for given in reports:
        theirs = given.proxies
        if given.pod.startswith(_ALL) and not given.error and given.revision not in taken:
            taken.add(given.revision)
            named = {proxy.name for proxy in theirs}
            live = (pod for pod in pods if pod.revision == given.revision and not pod.finished)
            theirs = (*theirs, *(Proxy(name) for p in live if (name := f"{p.name}.{p.namespace}") not in named))
        answers.append(
            IstiodReport(
                given.revision, given.pod.lstrip(_ALL), theirs, given.rejects, given.injection_failures, given.error
            )
        )
    return tuple(answers)


def _injecting(name: str, labels: dict[str, str], rev: str, mesh: str, ca_bundle: str) -> WebhookConfig:
    chosen = labels.get(TAG, rev)
    target = (mesh, suffixed("istiod", rev))
    webhooks = tuple(
        Webhook(f"{prefix}.sidecar-injector.istio.io", target, "/inject", "", ca_bundle, "Fail", spaces, pods)
        for prefix, spaces, pods in _selectors(chosen)
    )
    return WebhookConfig("MutatingWebhookConfiguration", name, labels, {}, webhooks, _raw(name, labels, webhooks))


def _selectors(chosen: str) -> list[tuple[str, Selector, Selector]]:
    no_rev, no_injection = Requirement(REV, "DoesNotExist"), Requirement(INJECTION, "DoesNotExist")
    asks, wanted = Requirement(REV, "In", (chosen,)), Requirement(_INJECT, "NotIn", ("false",))
    rows = [
        ("rev.namespace", Selector((asks, no_injection)), Selector((wanted,))),
        ("rev.object", Selector((no_rev, no_injection)), Selector((wanted, asks))),
    ]
    if chosen == "default":
        enabled = Requirement(INJECTION, "In", ("enabled",))
        true = Requirement(_INJECT, "In", ("true",))
        rows.append(("namespace", Selector((enabled,)), Selector((wanted,))))
        rows.append(("object", Selector((no_injection, no_rev)), Selector((true, no_rev))))
    return rows


def _raw(name: str, labels: dict[str, str], webhooks: Iterable[Webhook]) -> Obj:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name, "labels": labels},
        "webhooks": [_raw_webhook(webhook) for webhook in webhooks],
    }


def _raw_webhook(webhook: Webhook) -> Obj:
    space, name = webhook.service or ("", "")
    client = {"service": {"namespace": space, "name": name, "path": webhook.path, "port": 443}}
    return {
        "name": webhook.name,
        "clientConfig": client | _given({"caBundle": webhook.ca_bundle}),
        "failurePolicy": webhook.failure_policy,
        "reinvocationPolicy": "Never",
        "namespaceSelector": _raw_selector(webhook.namespaces),
        "objectSelector": _raw_selector(webhook.pods),
    }


def _raw_selector(selector: Selector) -> Obj:
    lines = [
        {"key": line.key, "operator": line.operator} | ({"values": list(line.values)} if line.values else {})
        for line in selector.requirements
    ]
    return {"matchExpressions": lines} if lines else {}


def _field_of(thing: Any) -> str:
    if isinstance(thing, WebhookConfig):
        return "injectors" if thing.kind.startswith("Mutating") else "validators"
    return _FIELDS[type(thing)]


def _flat(things: Iterable[Any]) -> Iterable[Any]:
    for thing in things:
        if isinstance(thing, list | tuple):
            yield from _flat(thing)
        else:
            yield thing


def _given(values: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}
