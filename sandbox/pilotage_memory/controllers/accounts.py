"""What every namespace gets: ServiceAccount `default` and the API server's root; admission that asks for the first."""

from collections.abc import Iterable

from pilotage_memory.controllers.base import Base
from pilotage_memory.controllers.loop import Loop, Place
from pilotage_memory.controllers.objects import ACCOUNT, CONFIG_MAP, NAMESPACE, POD, deleting, is_a, named
from pilotage_memory.errors import ApiError
from pilotage_memory.kinds import Obj

_ROOT = "kube-root-ca.crt"


class Namespaces(Base):
    def wants(self, event: str, obj: Obj) -> Iterable[Place]:
        if is_a(NAMESPACE, obj) and event != "DELETED":
            yield Place("Namespace", "", obj["metadata"]["name"])
        elif event == "DELETED" and (is_a(ACCOUNT, obj) or is_a(CONFIG_MAP, obj)):
            yield Place("Namespace", "", obj["metadata"]["namespace"])

    def reconcile(self, place: Place) -> None:
        namespace = self.cache.get(NAMESPACE, place.name)
        if namespace is None or deleting(namespace):
            return
        if namespace.get("status", {}).get("phase") != "Active":
            self.write_status(namespace, {"phase": "Active"})
        if self.cache.get(ACCOUNT, "default", place.name) is None:
            self.store.create(named(ACCOUNT, "default", place.name), manager=self.manager)
        if self.cache.get(CONFIG_MAP, _ROOT, place.name) is None:
            self.store.create(named(CONFIG_MAP, _ROOT, place.name, data={"ca.crt": ""}), manager=self.manager)


class AccountAdmission:
    """A pod runs as a ServiceAccount, which must be there."""

    def __init__(self, loop: Loop) -> None:
        self.cache = loop.cache

    def __call__(self, operation: str, obj: Obj) -> Obj:
        if operation != "CREATE" or not is_a(POD, obj):
            return obj
        space, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        account = obj["spec"].get("serviceAccountName") or "default"
        if self.cache.get(ACCOUNT, account, space) is None:
            why = f'error looking up service account {space}/{account}: serviceaccount "{account}" not found'
            raise ApiError(403, "Forbidden", f'pods "{name}" is forbidden: {why}')
        return {**obj, "spec": {**obj["spec"], "serviceAccountName": account, "serviceAccount": account}}
