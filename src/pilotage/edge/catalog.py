"""Finds the catalog: the packaged one, or the text of a user's own: file, ConfigMap or URL. Called by the faces.

The last good one is kept in a ConfigMap of ours in the mesh's namespace, with the signature that it came with.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from pilotage.data import read
from pilotage.domain.catalog import Catalog
from pilotage.domain.errors import Refused
from pilotage.domain.names import MANAGED_BY, MANAGER
from pilotage.domain.objects import Obj, ObjectRef

if TYPE_CHECKING:  # the packaged catalog needs no client
    from pilotage.edge.kube import Kube

CONFIGMAP_KEY = "catalog.yaml"
KEPT: Final = "pilotage-catalog"  # name of the ConfigMap with the last good one
_SIGNATURE: Final = 1024  # bytes at most
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
    return text_in(kube.get(ObjectRef("v1", "ConfigMap", namespace, name)), place)


def text_in(obj: Obj | None, place: str) -> str:
    """Key `catalog.yaml` of the ConfigMap `obj`, None where it is not there. Raises Refused."""
    namespace, _, name = place.partition("/")
    text = ((obj or {}).get("data") or {}).get(CONFIGMAP_KEY)
    if not isinstance(text, str):
        what = f"has no key {CONFIGMAP_KEY}" if obj else "does not exist"
        raise Refused(
            f"catalog {place}: the ConfigMap {what}",
            fix=f"kubectl create configmap -n {namespace} {name} --from-file={CONFIGMAP_KEY}",
        )
    return text


class Kept(NamedTuple):
    """The last good catalog of `source`, as it was read; `text` "" for none. `trouble`: why there is no newer one."""

    source: str
    text: str = ""
    signature: str = ""
    code: str = ""
    trouble: str = ""


_KEYS: Final = Kept("source", CONFIGMAP_KEY, "signature", "code", "trouble")


def kept_in(obj: Obj | None) -> Kept:
    """What ConfigMap KEPT holds, None where it is not there."""
    data = (obj or {}).get("data") or {}
    return Kept(*(str(data.get(key, "")) for key in _KEYS))


def keep(kube: "Kube", namespace: str, kept: Kept) -> None:
    """Raises what an apply raises."""
    meta = {"name": KEPT, "namespace": namespace, "labels": {MANAGED_BY: MANAGER}}
    data = dict(zip(_KEYS, kept, strict=True))  # empty ones too: what another wrote there is to go
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}, MANAGER)


def signed(url: str, public_key: str) -> tuple[str, str]:
    """What `url` gives and its signature, which was found to be that of the key. Raises Refused and Retry."""
    from pilotage.edge.download import download

    text, signature = download(url), download(f"{url}.sig", limit=_SIGNATURE).decode("ascii", "replace")
    return _verified(url, text, signature, public_key), signature


def unsigned(place: str, public_key: str | None) -> None:
    """Raises Refused where a key is given for what has no signature."""
    if public_key:
        raise Refused(f"catalog {place}: in a ConfigMap it is not signed", fix="leave --catalog-key out")


def file_text(path: Path, public_key: str | None) -> str:
    """A user's catalog; with a key its signature must lie beside it, as it is to be published. Raises Refused."""
    text = catalog_text(path).encode()
    if not public_key:
        return text.decode()
    return _verified(str(path), text, catalog_text(path.with_name(f"{path.name}.sig")), public_key)


def _verified(place: str, text: bytes, signature: str, public_key: str) -> str:
    from pilotage.edge.signature import verify

    try:
        verify(text, signature, public_key)
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(f"catalog {place}: not text in UTF-8", fix="save it as UTF-8") from None
    except Refused as refused:
        raise Refused(f"catalog {place}: {refused}", fix=refused.fix) from None
