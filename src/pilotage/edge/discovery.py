"""What the API server serves: where a kind lives that the table does not know, all kinds of a group. Used by `kube`."""

import msgspec

from pilotage.edge.failures import NotThere
from pilotage.edge.paths import Resource, built_in, root_of
from pilotage.edge.transport import Call, Transport

Served = tuple[str, str, bool]  # apiVersion, kind, namespaced


class _Resource(msgspec.Struct, frozen=True):
    name: str
    kind: str
    namespaced: bool = False


class _Resources(msgspec.Struct, frozen=True):
    resources: list[_Resource] = []


class _Version(msgspec.Struct, frozen=True, rename="camel"):
    group_version: str


class _Group(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    versions: list[_Version] = []


class _Groups(msgspec.Struct, frozen=True):
    groups: list[_Group] = []


class Places:
    """Kind to place. What was found is kept; what was not is asked again, for a CRD may have come since."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._found: dict[tuple[str, str], Resource] = {}

    def find(self, api_version: str, kind: str) -> Resource | None:
        """None where the API server does not serve the kind."""
        place = self._found.get((api_version, kind)) or built_in(api_version, kind)
        if place is None:
            for served in _resources(self._transport, api_version):
                found = Resource(root_of(api_version), served.name, served.namespaced)
                self._found[api_version, served.kind] = found
            place = self._found.get((api_version, kind))
        return place


def kinds(transport: Transport, group_suffix: str) -> list[Served]:
    """Every kind of the groups that end in `group_suffix`, once, in the version that the API server prefers."""
    served: dict[tuple[str, str], Served] = {}
    for group in transport.read(Call("GET", "/apis", "list the API's groups"), _Groups).groups:
        if not group.name.endswith(group_suffix):
            continue
        for version in group.versions:  # in order of preference
            for one in _resources(transport, version.group_version):
                served.setdefault((group.name, one.kind), (version.group_version, one.kind, one.namespaced))
    return list(served.values())


def _resources(transport: Transport, api_version: str) -> list[_Resource]:
    """Without subresources; none where the group or version is not served."""
    try:
        told = transport.read(Call("GET", root_of(api_version), f"list the kinds of {api_version}"), _Resources)
    except NotThere:
        return []
    return [one for one in told.resources if "/" not in one.name]
