"""Which permissions the caller lacks, asked of the API server before a verb begins. Called by faces."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from pilotage.domain.objects import Obj
from pilotage.edge.kube import Kube
from pilotage.edge.paths import built_in

_REQUESTS: Final = 8


class Need(NamedTuple):
    """One permission. `namespace` "" means in the whole cluster; `resource` may be as in `pods/portforward`."""

    verb: str
    group: str
    resource: str
    namespace: str = ""

    def __str__(self) -> str:
        kind = ".".join(part for part in (self.resource, self.group) if part)
        return f"{self.verb} {kind}" + (f" in namespace {self.namespace}" if self.namespace else "")


def missing_permissions(kube: Kube, needs: Iterable[Need]) -> tuple[str, ...]:
    """Those of `needs` that the API server would refuse, as text for `Snapshot.denied`, in the order given.

    Who may do everything is asked once.
    """
    if kube.may("*", "*", "*"):
        return ()
    asked = tuple(dict.fromkeys(needs))
    with ThreadPoolExecutor(_REQUESTS) as pool:
        allowed = pool.map(lambda need: kube.may(*need), asked)
        return tuple(str(need) for need, may in zip(asked, allowed, strict=True) if not may)


def needs_of(objects: Iterable[Obj]) -> tuple[Need, ...]:
    """What installing and removing `objects` takes. Kinds that no built-in table knows are left to the API server."""
    needs: list[Need] = []
    for obj in objects:
        resource = built_in(obj["apiVersion"], obj["kind"])
        if resource is not None:
            group = obj["apiVersion"].rpartition("/")[0]
            namespace = obj["metadata"].get("namespace", "") if resource.namespaced else ""
            needs.extend(Need(verb, group, resource.plural, namespace) for verb in ("create", "patch", "delete"))
    return tuple(dict.fromkeys(needs))
