"""What an API server's admission knows of webhooks and namespaces: it reads watches of its own, so it may be late.

Used by `inject`; tests make it late. Of several API servers each is late by itself: a dry run that one answers says
nothing of the pods that a controller makes through another.
"""

from typing import Protocol

from pilotage_memory.controllers.cache import Cache
from pilotage_memory.controllers.objects import MUTATING, NAMESPACE, POD, VALIDATING, is_a
from pilotage_memory.kinds import Kind, Obj


class View(Protocol):
    """What one admission goes by."""

    def configs(self, kind: Kind) -> list[Obj]:
        """Webhook configurations."""

    def namespace(self, name: str) -> Obj | None: ...


class Now:
    """As it is."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def configs(self, kind: Kind) -> list[Obj]:
        return self._cache.list(kind)

    def namespace(self, name: str) -> Obj | None:
        return self._cache.get(NAMESPACE, name)


class Late:
    """As it was when `begin` was called, for so many pods."""

    def __init__(self) -> None:
        self._configs: dict[str, list[Obj]] = {}
        self._namespaces: dict[str, Obj] = {}
        self._made = self._tried = 0  # left

    def begin(self, cache: Cache, *, made: int = 0, tried: int = 0) -> None:
        """For `tried` pods that clients send, dry runs too, and what controllers make before that; then `made` more.

        `made` alone: controllers talk to another API server than clients do.
        """
        self._configs = {kind.plural: cache.list(kind) for kind in (MUTATING, VALIDATING)}
        self._namespaces = {str(each["metadata"]["name"]): each for each in cache.list(NAMESPACE)}
        self._made, self._tried = made, tried

    def takes(self, obj: Obj) -> bool:
        """Whether this one is such a pod; then there may be one less to come."""
        if not is_a(POD, obj) or not (self._made or self._tried):
            return False
        owned = "ownerReferences" in obj["metadata"]
        if not owned:
            late, self._tried = self._tried > 0, max(0, self._tried - 1)
        elif self._tried:
            late = True
        else:
            late, self._made = True, self._made - 1
        return late

    def configs(self, kind: Kind) -> list[Obj]:
        return self._configs[kind.plural]

    def namespace(self, name: str) -> Obj | None:
        return self._namespaces.get(name)
