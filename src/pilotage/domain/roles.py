"""Rights, and which of Pilotage's roles has them. Used by `edge` for what was refused, and by the preflight."""

from typing import NamedTuple

import msgspec

from pilotage.data import read

ROLES = ("pilotage-viewer", "pilotage-dataplane", "pilotage")  # of deploy/rbac.yaml: each has what the one before has
TO_LOOK = f"have ClusterRole {ROLES[0]} bound to you; kubectl auth can-i --list tells what you may do now"
TABLE = "roles.json"  # role -> verb -> resources: `make generate` writes it from the rules


class Right(NamedTuple):
    """One permission. `namespace` "" is the whole cluster, `name` "" any; `resource` is as in `pods/portforward`."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    @property
    def kind(self) -> str:
        """As kubectl and the API server write it: `deployments.apps`, `servicemeshes.pilotage.dev/status`."""
        plural, slash, sub = self.resource.partition("/")
        return ".".join(part for part in (plural, self.group) if part) + slash + sub

    def __str__(self) -> str:
        return f"{self.verb} {self.kind}" + (f" in namespace {self.namespace}" if self.namespace else "")


def role_with(right: Right) -> str:
    """The smallest of ROLES that has it, "" where none has. Names of objects do not count."""
    table: dict[str, dict[str, list[str]]] = msgspec.json.decode(read(TABLE))
    any_of_group = f"*.{right.group}"
    for role in ROLES:
        verbs = table[role]
        held = {*verbs.get(right.verb, ()), *verbs.get("*", ())}
        if right.kind in held or any_of_group in held:
            return role
    return ""
