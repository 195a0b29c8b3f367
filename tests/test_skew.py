"""One Pilotage beside the resource of another: what a schema may change, what is said, and what is left out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Obj
from pilotage.decide.skew import skew
from pilotage.domain.crd import schema_version, service_mesh_crd
from pilotage.domain.errors import Refused
from pilotage.domain.mesh import ServiceMeshSpec
from pilotage.domain.version import Version
from pilotage.edge.mesh import parse_mesh
from pilotage.edge.strangers import strangers, without
from previous import Previous

_OURS = Version(0, 2)
_NEWER = {
    "revisions": [{"name": "asm-1-30", "pace": "slow", "values": {"any": {"thing": 1}}}, {"name": "asm-1-31"}],
    "artifacts": {"hub": "example", "mirror": "other"},
    "values": {"pilot": {}},
    "holidays": ["friday"],
}


@pytest.mark.parametrize(
    ("there", "fields", "code"),
    [
        pytest.param(Version(0, 1), [], ["CRDOlder"], id="an older CRD"),
        pytest.param(Version(0, 2), [], [], id="the same"),
        pytest.param(Version(0, 3), [], ["CRDNewer"], id="a newer CRD"),
        pytest.param(Version(0, 10), ["pace"], ["CRDNewer"], id="a newer CRD, and a resource that uses it"),
        pytest.param(None, ["pace"], ["CRDNewer"], id="a newer resource, and a CRD that may not be seen"),
        pytest.param(None, [], [], id="no CRD"),
    ],
)
def test_what_is_said_beside(there: Version | None, fields: list[str], code: list[str]) -> None:
    assert [finding.code for finding in skew(_OURS, there, fields)] == code


def test_fields_of_a_newer_pilotage_are_named_wherever_they_stand() -> None:
    assert strangers(_NEWER, ServiceMeshSpec) == ["artifacts.mirror", "holidays", "revisions[].pace"]


def test_what_is_left_without_them_is_what_this_pilotage_knows() -> None:
    known = without(_NEWER, ServiceMeshSpec)
    assert strangers(known, ServiceMeshSpec) == []
    assert known["values"] == {"pilot": {}}
    assert known["revisions"][0]["values"] == {"any": {"thing": 1}}


def test_who_would_write_a_newer_resource_is_refused_and_told_to_upgrade() -> None:
    with pytest.raises(Refused, match=r"newer than this pilotage.* artifacts\.mirror, holidays") as refused:
        parse_mesh({"metadata": {}, "spec": _NEWER})
    assert "pip install --upgrade pilotage" in refused.value.fix


def test_a_schema_that_changed_has_a_higher_version(tmp_path: Path) -> None:
    earlier = Previous(tmp_path).crd
    if earlier["spec"] != service_mesh_crd()["spec"]:
        assert schema_version() > Version.parse(earlier["metadata"]["annotations"]["pilotage.dev/version"])


def test_a_schema_only_grows(tmp_path: Path) -> None:
    """Else the API server would refuse, or empty, what is stored already."""
    earlier, now = (dict(_fields(_schema(crd))) for crd in (Previous(tmp_path).crd, service_mesh_crd()))
    assert not earlier.keys() - now.keys()
    for path, field in earlier.items():
        assert now[path].get("type") == field.get("type"), path
        assert set(now[path].get("required", ())) <= set(field.get("required", ())), path
        if "enum" in field:
            assert set(field["enum"]) <= set(now[path]["enum"]), path


def test_no_new_setting_appears_in_a_resource_that_does_not_ask_for_it(tmp_path: Path) -> None:
    """A default does, to every reader: the Pilotage before would find a field that it does not know, and stop."""
    earlier, now = (
        set(_defaults(_schema(crd)["properties"]["spec"])) for crd in (Previous(tmp_path).crd, service_mesh_crd())
    )
    assert now <= earlier


def _schema(crd: Obj) -> Obj:
    return dict(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def _fields(schema: Obj, path: str = "") -> Iterator[tuple[str, Obj]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from _fields(field, f"{path}.{name}")
    if "items" in schema:
        yield from _fields(schema["items"], f"{path}[]")


def _defaults(schema: Obj, path: str = "") -> Iterator[str]:
    """Those that need nothing above them: an object without a default of its own gives its fields none."""
    for name, field in schema.get("properties", {}).items():
        if "default" in field:
            yield f"{path}.{name}"
        if "default" in field or "items" in field:
            yield from _defaults(field.get("items", field), f"{path}.{name}")
