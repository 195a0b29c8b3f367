"""Who asks, and may they: RBAC over the roles and bindings in the store. Used by `api`.

A ServiceAccount is whoever shows its `token`; anybody else is the administrator. That who grants a right must hold it
is not checked.
"""

from collections.abc import Iterator
from typing import Any, Final

from pilotage_memory.errors import refusal
from pilotage_memory.kinds import Obj
from pilotage_memory.messages import Request
from pilotage_memory.paths import Place
from pilotage_memory.store import Store

ADMIN: Final = "memory-admin"
_RBAC: Final = "rbac.authorization.k8s.io"
_BEARER: Final = "Bearer system:serviceaccount:"
_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}


def token(namespace: str, account: str) -> str:
    """What a ServiceAccount shows: its user name."""
    return f"system:serviceaccount:{namespace}:{account}"


class Rights:
    def __init__(self, store: Store) -> None:
        self._store = store

    @staticmethod
    def user(request: Request) -> str:
        given = request.headers.get("authorization", "")
        return given.removeprefix("Bearer ") if given.startswith(_BEARER) else ADMIN

    def check(self, request: Request, place: Place) -> None:
        """Raises Forbidden."""
        user = self.user(request)
        asked = {"group": place.group, "resource": place.plural, "subresource": place.subresource}
        asked |= {"verb": _verb(request, place), "namespace": place.namespace, "name": place.name}
        if not self.allows(user, asked):
            where = f'in the namespace "{place.namespace}"' if place.namespace else "at the cluster scope"
            resource = _resource(asked)
            words = f'cannot {asked["verb"]} resource "{resource}" in API group "{place.group}" {where}'
            subject = f'{resource} "{place.name}"' if place.name else resource
            raise refusal("Forbidden", f'{subject} is forbidden: User "{user}" {words}', kind=place.plural)

    def allows(self, user: str, asked: dict[str, Any]) -> bool:
        """`asked`: the resourceAttributes of a SelfSubjectAccessReview."""
        return user == ADMIN or any(_grants(rule, asked) for rule in self._rules(user, asked.get("namespace", "")))

    def _rules(self, user: str, namespace: str) -> Iterator[Obj]:
        """Of all roles that are bound to a user in the whole cluster, or in this namespace."""
        places = [("clusterrolebindings", ""), *([("rolebindings", namespace)] if namespace else [])]
        for plural, space in places:
            for _, entry in self._store.entries(_RBAC, plural, space):
                if any(_is(subject, user) for subject in entry.obj.get("subjects") or ()):
                    yield from self._role(entry.obj["roleRef"], space)

    def _role(self, reference: Obj, namespace: str) -> list[Obj]:
        plural, space = ("clusterroles", "") if reference["kind"] == "ClusterRole" else ("roles", namespace)
        found = (entry.obj for key, entry in self._store.entries(_RBAC, plural, space) if key.name == reference["name"])
        return [rule for role in found for rule in role.get("rules") or ()]


def _is(subject: Obj, user: str) -> bool:
    return bool(subject["kind"] == "ServiceAccount") and token(subject["namespace"], subject["name"]) == user


def _verb(request: Request, place: Place) -> str:
    if request.method == "GET" and not place.name:
        return "watch" if request.flag("watch") else "list"
    return _VERBS[request.method]


def _resource(asked: dict[str, Any]) -> str:
    below = asked.get("subresource")
    return f"{asked['resource']}/{below}" if below else str(asked["resource"])


def _grants(rule: Obj, asked: dict[str, Any]) -> bool:
    names = rule.get("resourceNames") or ()
    return (
        bool({"*", asked["verb"]} & set(rule["verbs"]))
        and bool({"*", asked.get("group", "")} & set(rule.get("apiGroups") or ()))
        and bool({"*", _resource(asked)} & set(rule.get("resources") or ()))
        and (not names or asked.get("name") in names)
    )
