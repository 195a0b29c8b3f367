"""ResourceQuotas: what their namespace uses, and the admission that holds pods to them."""

from collections.abc import Iterable
from decimal import Decimal

from pilotage_memory.controllers.base import Base, place_of
from pilotage_memory.controllers.loop import Loop, Place
from pilotage_memory.controllers.objects import POD, QUOTA, finished, is_a
from pilotage_memory.controllers.resources import Amounts, quantity, requested, total
from pilotage_memory.errors import ApiError
from pilotage_memory.kinds import Obj


class Quotas(Base):
    """Pods, requests and limits are counted; a quota of anything else is shown as not used."""

    def wants(self, event: str, obj: Obj) -> Iterable[Place]:
        if is_a(QUOTA, obj) and event != "DELETED":
            yield place_of("ResourceQuota", obj)
        elif is_a(POD, obj):
            for quota in self.cache.list(QUOTA, obj["metadata"]["namespace"]):
                yield place_of("ResourceQuota", quota)

    def reconcile(self, place: Place) -> None:
        quota = self.cache.get(QUOTA, place.name, place.namespace)
        if quota is not None:
            hard = quota["spec"].get("hard") or {}
            used = {name: _written(_used(self, place.namespace).get(name, Decimal(0))) for name in hard}
            self.write_status(quota, {"hard": hard, "used": used})


class QuotaAdmission:
    """Refuses pods that a quota of their namespace has no room for."""

    def __init__(self, loop: Loop) -> None:
        self.cache = loop.cache

    def __call__(self, operation: str, obj: Obj) -> Obj:
        if operation == "CREATE" and is_a(POD, obj):
            space, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
            for quota in self.cache.list(QUOTA, space):
                why = _exceeded(quota, _of(obj), _used(self, space))
                if why:
                    raise ApiError(403, "Forbidden", f'pods "{name}" is forbidden: {why}')
        return obj


def _exceeded(quota: Obj, wanted: Amounts, used: Amounts) -> str:
    hard = {name: quantity(limit) for name, limit in (quota["spec"].get("hard") or {}).items()}
    name = quota["metadata"]["name"]
    missing = [
        each for each in hard if each.startswith(("requests.", "limits.", "cpu", "memory")) and each not in wanted
    ]
    if missing:
        return f"failed quota: {name}: must specify {','.join(missing)}"
    zero = Decimal(0)
    over = [each for each, limit in hard.items() if each in wanted and used.get(each, zero) + wanted[each] > limit]
    if not over:
        return ""
    told = (
        ", ".join(f"{each}={_written(amounts.get(each, zero))}" for each in sorted(over))
        for amounts in (wanted, used, hard)
    )
    return f"exceeded quota: {name}, requested: {next(told)}, used: {next(told)}, limited: {next(told)}"


def _used(of: "Quotas | QuotaAdmission", namespace: str) -> Amounts:
    return total(_of(pod) for pod in of.cache.list(POD, namespace) if not finished(pod))


def _of(pod: Obj) -> Amounts:
    """By the names that a quota gives them."""
    asked, limits = requested(pod), requested(pod, "limits")
    counted = {"pods": Decimal(1), "count/pods": Decimal(1)} | asked
    counted |= {f"requests.{name}": number for name, number in asked.items()}
    return counted | {f"limits.{name}": number for name, number in limits.items()}


def _written(number: Decimal) -> str:
    """A quantity that is a whole number as it is, any other in thousandths."""
    return str(int(number)) if number == int(number) else f"{int(number * 1000)}m"
