"""Finds the catalog: the packaged one, or the text of a user's own in a file or a ConfigMap. Called by the faces."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pilotage.data import read
from pilotage.domain.catalog import Catalog
from pilotage.domain.errors import Refused
from pilotage.domain.objects import ObjectRef

if TYPE_CHECKING:  # the packaged catalog needs no client
    from pilotage.edge.kube import Kube

CONFIGMAP_KEY = "catalog.yaml"
PACKAGED = "catalog.json"  # catalog.yaml made ready by tools/catalog.py: no YAML to parse at start-up


def packaged_catalog() -> Catalog:
    """The catalog that comes with Pilotage."""
    return msgspec.json.decode(read(PACKAGED), type=Catalog)


def catalog_text(path: Path) -> str:
    """A user's catalog, for `parse_catalog`. Raises Refused where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Refused(f"catalog {path}: not text in UTF-8", fix="save it as UTF-8") from None
    except OSError as error:
        raise Refused(f"catalog {path}: {error.strerror}", fix="name a file that you can read") from None


def configmap_text(kube: "Kube", place: str) -> str:
    """Key `catalog.yaml` of ConfigMap `place`, given as NAMESPACE/NAME, for `parse_catalog`. Raises Refused."""
    namespace, _, name = place.partition("/")
    if not namespace or not name or "/" in name:
        raise Refused(f"catalog {place!r} does not name a ConfigMap", fix="write NAMESPACE/NAME")
    obj = kube.get(ObjectRef("v1", "ConfigMap", namespace, name))
    text = (obj or {}).get("data", {}).get(CONFIGMAP_KEY)
    if not isinstance(text, str):
        what = f"has no key {CONFIGMAP_KEY}" if obj else "does not exist"
        raise Refused(
            f"catalog {place}: the ConfigMap {what}",
            fix=f"kubectl create configmap -n {namespace} {name} --from-file={CONFIGMAP_KEY}",
        )
    return text
