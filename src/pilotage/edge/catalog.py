"""Finds the catalog: the packaged one, or the text of a file. A ConfigMap's text goes straight to `decide.catalog`.

Called by the faces and by `edge.observe`.
"""

from importlib import resources
from pathlib import Path

import msgspec

from pilotage.domain.catalog import Catalog
from pilotage.domain.errors import Refused

PACKAGED = "catalog.json"  # catalog.yaml made ready by tools/catalog.py: no YAML to parse at start-up


def packaged_catalog() -> Catalog:
    """The catalog that comes with Pilotage."""
    data = resources.files("pilotage").joinpath("data", PACKAGED).read_bytes()
    return msgspec.json.decode(data, type=Catalog)


def catalog_text(path: Path) -> str:
    """A user's catalog, for `parse_catalog`. Raises Refused where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Refused(f"catalog {path}: not text in UTF-8") from None
    except OSError as error:
        raise Refused(f"catalog {path}: {error.strerror}", fix="name a file that you can read") from None
