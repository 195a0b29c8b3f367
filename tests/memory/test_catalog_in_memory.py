"""A catalog of one's own: an operator follows a ConfigMap or a URL, through good and bad, and verbs see the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalogsite import CATALOG, NEWER, Site, publishing
from harness import MESH, STABLE, Obj, eventually
from inmemory import InMemory, in_memory
from processes import started

KEPT = "pilotage-catalog"


@pytest.fixture
def mesh() -> Iterator[InMemory]:
    with in_memory() as made:
        made.enable(STABLE, "--version", "1.30.5").must()
        yield made


def conditions(mesh: InMemory) -> dict[str, str]:
    listed = mesh.get("servicemesh", "default")["status"]["conditions"]
    return {each["type"]: each["message"] for each in listed if each["status"] == "True"}


def patch(mesh: InMemory) -> str:
    """What is announced of patches."""
    return conditions(mesh).get("NewPatch", "")


def source(mesh: InMemory, **place: str) -> None:
    mesh.patch("servicemesh/default", {"spec": {"catalog": place}})


def configmap(text: str) -> Obj:
    meta = {"name": "istio-releases", "namespace": MESH}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"catalog.yaml": text}}


def why(mesh: InMemory) -> str:
    """Of a verb: each patch that is new, and what is wrong with the catalog."""
    found = mesh.pilotage("check", "-o", "json").must().document["findings"]
    return "; ".join(each["message"] for each in found if each["code"].startswith(("NewPatch", "Catalog")))


def test_a_configmap_is_followed_and_the_last_good_one_stays(mesh: InMemory) -> None:
    with started(mesh, "operator", "--listen", "off"):
        mesh.apply(configmap(CATALOG))
        source(mesh, configMap="istio-releases")
        eventually("the patch is announced", lambda: "1.30.6 is out" in patch(mesh))
        mesh.apply(configmap(NEWER))
        eventually("the newer patch is announced", lambda: "1.30.7 is out" in patch(mesh))
        mesh.apply(configmap(NEWER[:-40]))
        eventually("the cut one is named", lambda: "line " in conditions(mesh).get("CatalogRejected", ""))
        assert "1.30.7 is out" in patch(mesh)
        assert "1.30.7 is out" in why(mesh)
        assert "CatalogRejected" in {each["reason"] for each in mesh.get("events", "-n", "default")["items"]}
        mesh.strike(configmap(""))
        eventually("its absence is named", lambda: "does not exist" in conditions(mesh).get("CatalogRejected", ""))
        mesh.apply(configmap(CATALOG))
        eventually("it is mended", lambda: "1.30.6 is out" in patch(mesh) and "CatalogRejected" not in conditions(mesh))
        assert conditions(mesh)["Ready"] == "all is as asked"


def test_a_url_is_fetched_and_kept_and_what_is_not_signed_is_not_believed(mesh: InMemory) -> None:
    with publishing() as site, started(mesh, "operator", "--listen", "off"):
        source(mesh, url=site.url, publicKey=site.public_key)
        eventually("the patch is announced", lambda: "1.30.6 is out" in patch(mesh))
        asked = site.asked
        assert "1.30.6 is out" in why(mesh)
        assert site.asked == asked  # a verb takes what the operator keeps
        kept = mesh.get(f"configmap/{KEPT}", "-n", MESH)
        kept["data"]["catalog.yaml"] = NEWER
        mesh.apply(kept)
        eventually(
            "a forged copy is named", lambda: "not that of the key" in conditions(mesh).get("CatalogRejected", "")
        )
        assert "1.30.7" not in why(mesh)
        source(mesh, url=site.url + "?gone", publicKey=site.public_key)
        eventually("its absence is named", lambda: "answered 404" in conditions(mesh).get("CatalogStale", ""))
        assert conditions(mesh)["Ready"] == "all is as asked"


def test_releases_says_when_another_catalog_stands_in(mesh: InMemory) -> None:
    source(mesh, configMap="istio-releases")
    missing = mesh.pilotage("releases", "-o", "json").must().document
    assert missing["catalog"]["source"] == "packaged"
    assert "CatalogRejected" in {each["code"] for each in missing["findings"]}
    assert "configmap/istio-releases: the ConfigMap does not exist" in mesh.pilotage("releases").must().err
    mesh.apply(configmap(CATALOG))
    assert "CatalogRejected" not in mesh.pilotage("releases").must().err


def test_a_file_for_the_operator_is_believed_with_its_signature_where_a_key_is_given(
    mesh: InMemory, tmp_path: Path
) -> None:
    site, file = Site(), tmp_path / "catalog.yaml"
    file.write_text(CATALOG)
    words = ("operator", "--listen", "off", "--catalog", str(file), "--catalog-key", site.public_key)
    with started(mesh, *words):
        eventually("it is named", lambda: "catalog.yaml.sig" in conditions(mesh).get("CatalogRejected", ""))
        file.with_name("catalog.yaml.sig").write_bytes(site.files["/catalog.yaml.sig"])
        mesh.patch("servicemesh/default", {"spec": {"values": {"anything": "wakes the loop"}}})
        eventually("the patch is announced", lambda: "1.30.6 is out" in patch(mesh))


def test_without_an_operator_a_verb_fetches_by_itself(mesh: InMemory) -> None:
    with publishing() as site:
        source(mesh, url=site.url, publicKey=site.public_key)
        assert "1.30.6 is out" in why(mesh)
        site.fault = "404"
        assert "answered 404" in why(mesh)


def test_a_catalog_of_the_command_line_is_taken_or_refused(mesh: InMemory) -> None:
    with publishing() as site:
        words = ("releases", "--catalog", site.url, "--catalog-key", site.public_key)
        assert "1.30.6" in mesh.pilotage(*words).must().out
        site.publish(NEWER, signed_by=Site().key)
        assert "the signature is not that of the key" in mesh.pilotage(*words).must(3).err
