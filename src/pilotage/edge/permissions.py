"""Which permissions the caller lacks, asked of the API server before a verb begins. Called by faces."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Final

from pilotage.domain.objects import Obj
from pilotage.domain.roles import Right
from pilotage.edge.kube import Kube
from pilotage.edge.paths import built_in

_REQUESTS: Final = 8
_GRANTS: Final = ("Role", "ClusterRole")
_KEPT: Final = ("CustomResourceDefinition",)  # with them would go what users made of them: nothing here deletes one


def missing_permissions(kube: Kube, needs: Iterable[Right]) -> tuple[Right, ...]:
    """Those of `needs` that the API server would refuse, in the order given.

    Who may do everything is asked once.
    """
    if kube.may("*", "*", "*"):
        return ()
    asked = tuple(dict.fromkeys(needs))
    with ThreadPoolExecutor(_REQUESTS) as pool:
        allowed = pool.map(lambda need: kube.may(*need), asked)
        return tuple(need for need, may in zip(asked, allowed, strict=True) if not may)


def needs_of(objects: Iterable[Obj]) -> tuple[Right, ...]:
    """What installing and removing `objects` takes. Kinds that no built-in table knows are left to the API server."""
    needs: list[Right] = []
    for obj in objects:
        resource = built_in(obj["apiVersion"], obj["kind"])
        if resource is not None:
            group = obj["apiVersion"].rpartition("/")[0]
            namespace = obj["metadata"].get("namespace", "") if resource.namespaced else ""
            needs.append(Right("create", group, resource.plural, namespace))
            if obj["kind"] in _KEPT:
                needs.append(Right("patch", group, resource.plural, namespace, obj["metadata"]["name"]))
            else:
                needs.extend(Right(verb, group, resource.plural, namespace) for verb in ("patch", "delete"))
    return tuple(dict.fromkeys(needs))


def grants_of(objects: Iterable[Obj]) -> Iterator[Right]:
    """Each right in the roles among `objects`: Kubernetes lets nobody write a role who does not hold all that is in it.

    Rules about URLs and about single objects are left to the API server.
    https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
    """
    for role in (obj for obj in objects if obj["kind"] in _GRANTS):
        for rule in role.get("rules") or ():
            if not rule.get("resourceNames") and "resources" in rule:
                for group, resource, verb in product(rule["apiGroups"], rule["resources"], rule["verbs"]):
                    yield Right(verb, group, resource, role["metadata"].get("namespace", ""))
