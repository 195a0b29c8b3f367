"""`catalog verify`: what is said of a catalog before it is used, with the signature the guide tells how to make."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalogsite import CATALOG, NEWER, publishing
from harness import STABLE
from inmemory import InMemory, in_memory

GUIDE = Path(__file__).resolve().parents[2] / "docs/guide/releases.md"


@pytest.fixture(scope="module")
def mesh() -> Iterator[InMemory]:
    """1.30.5 runs, and takes patches."""
    with in_memory() as made:
        made.enable().must()
        made.patch("servicemesh/default", {"spec": {"revisions": [{"name": STABLE}], "patches": {"minAge": "0d"}}})
        yield made


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, str]:
    """A catalog, signed with the very commands of the guide; and the key."""
    place = tmp_path / "catalog.yaml"
    place.write_text(CATALOG)
    commands = re.findall(r"^\$ ((?:openssl|export KEY).*)$", GUIDE.read_text(), re.MULTILINE)
    assert len(commands) == 3
    program = "\n".join(["set -e -o pipefail", *commands, 'echo "$KEY"'])
    done = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    return place, done.stdout.splitlines()[-1]


def test_a_good_catalog_is_told_with_what_it_would_change(mesh: InMemory, signed: tuple[Path, str]) -> None:
    place, key = signed
    lines = mesh.pilotage("catalog", "verify", str(place), "--catalog-key", key).must().out.splitlines()
    assert lines[0] == f"{place} is a catalog: 2 versions of Istio 1.30, complete until 2026-10-15."
    assert lines[1] == "The signature is that of the key."
    assert (
        f"+ NewPatch: {STABLE} runs 1.30.5; 1.30.6 is out since 2026-10-12 and fixes 1 CVE, highest CVSS 8.1" in lines
    )
    assert any(line.startswith("- NewMinor: Istio 1.31") for line in lines)
    assert lines[-1] == f"+ due: {STABLE}: 1.30.5 to 1.30.6"


def test_what_is_in_use_changes_nothing(mesh: InMemory, signed: tuple[Path, str]) -> None:
    place, _ = signed
    words = ("catalog", "verify", str(place), "--catalog", str(place), "-o", "json")
    document = mesh.pilotage(*words).must().document
    assert document["changes"] == {"come": [], "go": [], "due": []}
    assert (document["signature"], document["patches"], document["minors"]) == ("not checked", 2, ["1.30"])
    assert "It changes nothing for this mesh." in mesh.pilotage(*words[:-2]).must().out


def test_a_bad_one_is_refused_with_its_cause(mesh: InMemory, signed: tuple[Path, str]) -> None:
    place, key = signed
    place.write_text(NEWER)
    words = ("catalog", "verify", str(place))
    assert "the signature is not that of the key" in mesh.pilotage(*words, "--catalog-key", key).must(3).err
    assert "the public key is not 32 bytes in base64" in mesh.pilotage(*words, "--catalog-key", "mine").must(3).err
    place.write_text(CATALOG[:-20])
    assert "line 10" in mesh.pilotage(*words).must(3).err
    place.with_name("catalog.yaml.sig").unlink()
    assert "catalog.yaml.sig" in mesh.pilotage(*words, "--catalog-key", key).must(3).err
    in_a_map = mesh.pilotage("catalog", "verify", "configmap/some/where", "--catalog-key", key)
    assert "in a ConfigMap it is not signed" in in_a_map.must(3).err


def test_a_url_is_read_as_the_operator_reads_it(mesh: InMemory) -> None:
    with publishing() as site:
        words = ("catalog", "verify", site.url)
        assert "The signature is that of the key." in mesh.pilotage(*words, "--catalog-key", site.public_key).must().out
        assert "the public key is not 32 bytes" in mesh.pilotage(*words).must(3).err


def test_without_a_cluster_the_catalog_is_checked_all_the_same(
    mesh: InMemory, signed: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "kubeconfig"
    empty.write_text("apiVersion: v1\nkind: Config\n")
    monkeypatch.setitem(mesh.environment, "KUBECONFIG", str(empty))
    said = mesh.pilotage("catalog", "verify", str(signed[0])).must().out
    assert said.endswith("No cluster was asked what it would change.\n")
