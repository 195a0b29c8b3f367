"""URL path -> what is asked for. Used by `api`."""

from typing import NamedTuple
from urllib.parse import unquote

from pilotage_memory.kinds import Key


class Place(NamedTuple):
    """A collection, an object or a subresource. `group` is "" for the core, `namespace` "" for all or for none."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        return Key(self.group, self.plural, self.namespace, self.name)


def place_of(path: str) -> Place | None:
    """None where the path is no resource's. A namespace's own subresources are `status` and `finalize`."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        return None
    name, subresource = (*rest[1:], "", "")[:2]
    return Place(group, version, rest[0], namespace, name, subresource)
