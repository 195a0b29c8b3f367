"""Calls -> the rules of each role, and whether a rule allows a call. Pure; used by `files` and `check`."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from tools.rbac.calls import Call
from tools.rbac.verbs import ROLE_OF, Role, held_by

Seen = Mapping[str, Iterable[Call]]  # verb of Pilotage -> its calls

# What verbs try and do without where they may not: (role, calls), why. The verb then says what it cannot tell.
WITHHELD: Final[Mapping[Role, Mapping[Call, str]]] = {
    Role.VIEWER: {
        Call("get", "pods/portforward"): "a connection into any pod; connected and in sync are then unknown",
        Call("create", "pods/portforward"): "a connection into any pod; connected and in sync are then unknown",
    },
}
_VERBS: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


class Rule(NamedTuple):
    """A PolicyRule, in tuples. Names are "any" where there are none."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    names: tuple[str, ...]
    verbs: tuple[str, ...]

    def allows(self, call: Call) -> bool:
        resource, slash, sub = call.resource.partition("/")
        plural, _, group = resource.partition(".")
        return (
            bool({group, "*"} & set(self.groups))
            and bool({plural + slash + sub, "*"} & set(self.resources))
            and bool({call.verb, "*"} & set(self.verbs))
            and (not self.names or call.name in self.names)
        )


def used(seen: Seen, role: Role) -> dict[Call, tuple[str, ...]]:
    """The calls that a role is for -> the verbs of Pilotage that make them, those of the roles below included."""
    roles = held_by(role)
    makers: dict[Call, set[str]] = {}
    for verb, calls in seen.items():
        if ROLE_OF[verb] in roles:
            for call in calls:
                if call not in WITHHELD.get(ROLE_OF[verb], ()):
                    makers.setdefault(call, set()).add(verb)
    order = list(ROLE_OF)
    return {call: tuple(sorted(makers[call], key=order.index)) for call in sorted(makers)}


def rules_of(calls: Iterable[Call]) -> tuple[Rule, ...]:
    """One rule per resource and set of names, by group, resource and verbs as RBAC orders them."""
    names: dict[tuple[str, str], set[str]] = {}
    for call in calls:
        names.setdefault((call.resource, call.verb), set()).add(call.name)
    verbs: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (resource, verb), named in names.items():
        verbs.setdefault((resource, () if "" in named else tuple(sorted(named))), []).append(verb)
    return tuple(sorted(_rule(resource, named, held) for (resource, named), held in verbs.items()))


def _rule(resource: str, names: tuple[str, ...], verbs: list[str]) -> Rule:
    whole, slash, sub = resource.partition("/")
    plural, _, group = whole.partition(".")
    return Rule((group,), (plural + slash + sub,), names, tuple(sorted(verbs, key=_VERBS.index)))
