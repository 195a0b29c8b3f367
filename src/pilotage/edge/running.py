"""Running proxies from a list of pods, page by page: what is alike is one row, so that no page has to be kept.

Called by `faces` for `drift`. The next page is asked for while one is decoded. The operator has its pods from `store`.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from pilotage.domain.cluster import Pod
from pilotage.domain.drift import AUTO, DECIDING, MANAGED_GATEWAY, OVERRIDES, TEMPLATES, Asked, Interest, Pairs, Running
from pilotage.domain.errors import Denied
from pilotage.domain.names import INJECTION_STATUS, PROXY_CONTAINER, REV
from pilotage.edge.kube import Kube
from pilotage.edge.wire import Meta, OwnerReference, Wire, workload_of
from pilotage.edge.workloads import cron_owners

# Written by controllers, different in each pod or each rollout: no template of a person's reads them.
_CONTROLLERS: Final = (
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/",
    "rollouts-pod-template-hash",
)
_NOTHING: Final = msgspec.Raw(b"null")
_ALIKE: Final = 8192  # marks, and wishes, that are told apart at once
# Of network plug-ins, with the addresses of each pod; and of admission.
_NETWORKS: Final = (
    "cni.projectcalico.org/",
    "k8s.ovn.org/",
    "k8s.v1.cni.cncf.io/network-status",
    "k8s.v1.cni.cncf.io/networks-status",
    "kubernetes.io/limit-ranger",
)
_WRITTEN: Final = (REV, INJECTION_STATUS, OVERRIDES, "kubectl.kubernetes.io/", "prometheus.io/", *_NETWORKS)


class Image(Wire):
    name: str = ""
    image: str | None = ""


class Spec(Wire):
    containers: list[Image] = []
    init_containers: list[Image] | None = None
    host_network: bool = False


class Status(Wire):
    phase: str = ""


class PodMeta(Wire):
    """Labels and annotations undecoded: most pods have those of another, letter for letter."""

    name: str = ""
    namespace: str = ""
    labels: msgspec.Raw = _NOTHING
    annotations: msgspec.Raw = _NOTHING
    owner_references: list[OwnerReference] | None = None
    deletion_timestamp: str | None = None


class PodWire(Wire):
    metadata: PodMeta
    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)


class PodPage(Wire):
    items: list[PodWire] | None = None


class _Overrides(Wire):
    containers: list[Image] | None = None
    init_containers: list[Image] | None = None


_OVERRIDES: Final = msgspec.json.Decoder(_Overrides)
_PAIRS: Final = msgspec.json.Decoder(dict[str, str] | None)


class _Marks(NamedTuple):
    """What labels and annotations of a pod say: `read` of them is for injection."""

    labels: dict[str, str]
    read: tuple[Pairs, Pairs]
    revision: str  # as recorded
    injected: bool
    own: str  # image of an istio-proxy container from before injection
    managed: bool


class _Key(NamedTuple):
    asked: Asked
    kind: str
    name: str
    revision: str
    image: str
    native: bool


def begin(kube: Kube, namespaces: Iterable[str] = (), labels: str = "") -> Iterator[PodPage]:
    """Pages of the pods of these namespaces, or of all; the first is on its way when this returns.

    `labels`: a selector. To take a page raises Denied where pods may not be listed.
    """
    places = tuple(namespaces) or ("",)
    raw = _ahead(page for place in places for page in kube.list_pages("v1", "Pod", place, labels=labels))
    return (kube.decode(page, PodPage) for page in raw)


def running(pages: Iterable[PodPage], interest: Interest) -> list[Running]:
    """Pods that neither ended nor are being deleted."""
    rows: dict[_Key, list[str]] = {}
    marks = lru_cache(_ALIKE)(lambda labels, told: _marks(_pairs(labels), _pairs(told), interest))
    for page in pages:
        for pod in page.items or ():
            meta = pod.metadata
            if pod.status.phase not in ("Succeeded", "Failed") and meta.deletion_timestamp is None:
                key = _key(pod, marks(bytes(meta.labels), bytes(meta.annotations)))
                rows.setdefault(key, []).append(meta.name)
    return [Running(*key, tuple(names)) for key, names in rows.items()]


def of_store(pods: Iterable[Pod], interest: Interest) -> tuple[list[Running], tuple[str, ...]]:
    """The same of pods that are known already, of those with a proxy; and namespaces to be read in pages instead.

    In those a pod asks for a template that may read what is not kept of it.
    """
    mine = [pod for pod in pods if not pod.finished and not pod.deleting and pod.proxy]
    unread = {pod.namespace for pod in mine if not _plain(pod.annotations, interest)}
    rows: dict[_Key, list[str]] = {}
    for pod in mine:
        if pod.namespace not in unread:
            rows.setdefault(_known_key(pod, interest), []).append(pod.name)
    return [Running(*key, tuple(names)) for key, names in rows.items()], tuple(sorted(unread))


def _known_key(pod: Pod, interest: Interest) -> _Key:
    images, init = ([Image(each.name, each.image) for each in some] for some in (pod.containers, pod.init_containers))
    wire = PodWire(PodMeta(pod.name, pod.namespace), Spec(images, init, pod.host_network))
    return _key(wire, _marks(pod.labels, pod.annotations, interest))._replace(
        kind=pod.workload[0], name=pod.workload[1]
    )


def of_cron_jobs(kube: Kube, rows: list[Running]) -> list[Running]:
    """Rows of a CronJob's Jobs as the CronJob's; where Jobs may not be read, they stay Jobs."""
    spaces = {row.asked.namespace for row in rows if row.kind == "Job"}
    try:
        jobs = [obj for space in sorted(spaces) for obj in kube.list_metadata("batch/v1", "Job", space)]
    except Denied:
        return rows
    metas = [msgspec.convert(obj["metadata"], Meta) for obj in jobs]
    crons = cron_owners(metas)
    return [
        msgspec.structs.replace(row, kind="CronJob", name=crons[place])
        if (place := (row.asked.namespace, row.name)) in crons and row.kind == "Job"
        else row
        for row in rows
    ]


def _ahead(pages: Iterator[bytes]) -> Iterator[bytes]:
    """The same pages, each asked for while the one before is worked on. Two are held at most."""
    pool = ThreadPoolExecutor(1)
    first = pool.submit(next, pages, None)

    def told() -> Iterator[bytes]:
        coming = first
        with pool:
            while (page := coming.result()) is not None:
                coming = pool.submit(next, pages, None)
                yield page

    return told()


def _key(pod: PodWire, marks: _Marks) -> _Key:
    meta, spec = pod.metadata, pod.spec
    init = _proxy(spec.init_containers)
    proxy = init or _proxy(spec.containers)
    managed = marks.revision if marks.managed and proxy and not marks.injected else None
    own = "" if proxy is None or managed is not None else (proxy.image or AUTO)
    asked = _asked(meta.namespace, *marks.read, spec.host_network, marks.own if marks.injected else own, managed)
    owned = Meta(meta.name, meta.namespace, marks.labels, owner_references=meta.owner_references)
    image = (proxy.image or "") if proxy else ""
    return _Key(asked, *workload_of(owned, {}), marks.revision if proxy else "", image, init is not None)


def _proxy(containers: list[Image] | None) -> Image | None:
    for container in containers or ():
        if container.name == PROXY_CONTAINER:
            return container
    return None


def _pairs(text: bytes) -> dict[str, str]:
    return _PAIRS.decode(text) or {}


def _marks(labels: dict[str, str], annotations: dict[str, str], interest: Interest) -> _Marks:
    own, revision = _own(annotations.get(OVERRIDES, "")), annotations.get(REV, "")
    injected, managed = INJECTION_STATUS in annotations, MANAGED_GATEWAY in labels
    return _Marks(labels, _read(labels, annotations, interest), revision, injected, own, managed)


# One object for all pods that ask the same: ten thousand pods are a few hundred of them.
_asked = lru_cache(_ALIKE)(Asked)


def _read(labels: dict[str, str], annotations: dict[str, str], interest: Interest) -> tuple[Pairs, Pairs]:
    """The labels and annotations that somebody reads, sorted."""
    if _plain(annotations, interest):
        chosen = [(key, labels[key]) for key in interest.labels if key in labels]
        told = [pair for pair in annotations.items() if pair[0] in DECIDING]
    else:
        chosen = [pair for pair in labels.items() if not pair[0].startswith(_CONTROLLERS)]
        told = [pair for pair in annotations.items() if not pair[0].startswith(_WRITTEN)]
    return tuple(sorted(chosen)), tuple(sorted(told))


def _plain(annotations: dict[str, str], interest: Interest) -> bool:
    """Whether it is known what of the pod is read."""
    named = annotations.get(TEMPLATES)
    plain = interest.default_plain if named is None else all(n.strip() in interest.plain for n in named.split(","))
    return plain and not interest.everything


def _own(overrides: str) -> str:
    """Image of the istio-proxy container that the pod had of its own, AUTO where it left that open, "" without one."""
    if not overrides:
        return ""
    try:
        told = _OVERRIDES.decode(overrides)
    except msgspec.MsgspecError:
        return ""
    both = (*(told.containers or ()), *(told.init_containers or ()))
    return next((each.image or AUTO for each in both if each.name == PROXY_CONTAINER), "")
