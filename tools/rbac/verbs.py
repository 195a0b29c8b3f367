"""Which role each verb needs: the one table. The tests run each verb with that role; docs/rbac.md shows it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """Each holds all that the one before it holds."""

    VIEWER = "viewer"
    DATAPLANE = "dataplane"
    FULL = "full"


ROLE_OF: Final[Mapping[str, Role]] = {
    "status": Role.VIEWER,
    "check": Role.VIEWER,
    "drift": Role.VIEWER,
    "get-revisions": Role.VIEWER,
    "get-upgrades": Role.VIEWER,
    "releases": Role.VIEWER,
    "catalog verify": Role.VIEWER,
    "version": Role.VIEWER,
    "completion": Role.VIEWER,
    "explain": Role.VIEWER,
    "help": Role.VIEWER,
    "maintenance show": Role.VIEWER,
    "maintenance next": Role.VIEWER,
    "mesh-config diff": Role.VIEWER,
    "mesh-config validate": Role.VIEWER,
    "tag list": Role.VIEWER,
    "gateway list": Role.VIEWER,
    "tag generate": Role.VIEWER,
    "tag set": Role.DATAPLANE,
    "tag remove": Role.DATAPLANE,
    "namespace move": Role.DATAPLANE,
    "restart": Role.DATAPLANE,
    "mesh-config copy": Role.FULL,
    "mesh-config delete": Role.FULL,
    "enable": Role.FULL,
    "disable": Role.FULL,
    "gateway enable": Role.FULL,
    "gateway disable": Role.FULL,
    "operator": Role.FULL,
    "upgrade start": Role.FULL,
    "upgrade complete": Role.FULL,
    "upgrade rollback": Role.FULL,
    "patch start": Role.FULL,
    "patch hold": Role.FULL,
    "maintenance set": Role.FULL,
    "maintenance delete": Role.FULL,
}
_ALIASES: Final = {"tag show": "tag list", "maintenance list": "maintenance show", "tag delete": "tag remove"}


def verb_of(words: Sequence[str]) -> str:
    """The verb in a command line, "" where none is: `-i mesh tag set prod -r x` -> `tag set`."""
    for at, word in enumerate(words):
        for verb in (" ".join(words[at : at + 2]), word):
            verb = _ALIASES.get(verb, verb)
            if verb in ROLE_OF:
                return verb
    return ""


def held_by(role: Role) -> tuple[Role, ...]:
    """The role and those below it, whose rules it has as well."""
    order = list(Role)
    return tuple(order[: order.index(role) + 1])
