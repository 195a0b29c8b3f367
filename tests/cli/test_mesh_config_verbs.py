"""`mesh-config`, as typed."""

import io
import json
from pathlib import Path

import pytest
from stage import SetStage

from worlds import revision, world

A, B = "istio-shared-configmap-1-30", "istio-shared-configmap-1-31"


def test_copy_writes_the_new_revisions_configmap(stage: SetStage) -> None:
    on = stage(world(revision("1-30"), configs={A: "accessLogFile: /dev/stdout\n"}))
    answer = on.pilotage("mesh-config", "copy", "--from", "1-30", "--to", "1-31")
    assert answer.code == 0
    (ref, body) = next(iter(on.kube.objects.items()))
    assert ref.name == B
    assert body["data"] == {"mesh": "accessLogFile: /dev/stdout\n"}


def test_copy_of_nothing_is_refused(stage: SetStage) -> None:
    answer = stage(world()).pilotage("mesh-config", "copy", "--from", "1-30", "--to", "1-31")
    assert answer.code == 3
    assert "1-30 has no mesh configuration" in answer.err


def test_diff_names_each_setting(stage: SetStage) -> None:
    on = stage(world(configs={A: "accessLogFile: /dev/stdout\n", B: "enableTracing: true\n"}))
    assert on.pilotage("mesh-config", "diff", "--from", "1-30", "--to", "1-31").out.splitlines() == [
        "SETTING         1-30          1-31",
        "accessLogFile   /dev/stdout   -",
        "enableTracing   -             True",
    ]
    document = json.loads(on.pilotage("mesh-config", "diff", "--from", "1-30", "--to", "1-31", "-o", "json").out)
    assert [each["path"] for each in document["differences"]] == ["accessLogFile", "enableTracing"]


@pytest.mark.parametrize("text", ["acessLogFile: /dev/stdout\n", "a: [\n", "\taccessLogFile: x\n"])
def test_validate_finds_what_istiod_would_skip(stage: SetStage, text: str) -> None:
    answer = stage(world(configs={A: text})).pilotage("mesh-config", "validate", "-r", "1-30")
    assert answer.code == 3
    assert "MeshConfigInvalid" in answer.out
    assert "pilotage explain MeshConfigInvalid" in answer.out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfea\x00", "not text in UTF-8. Next: save it as UTF-8"),
        (b"kind: ConfigMap\ndata: [a]", "the ConfigMap has no text under data.mesh"),
        (b"kind: ConfigMap\ndata: {config: x}", "the ConfigMap has no text under data.mesh"),
        (b"[" * 100_000, "nested too deep"),
        (b"accessLogFile: x\r\n\ta: 1\r\n", "line 2, column 1: a tab"),
    ],
    ids=["UTF-16", "list", "other key", "deep", "tab"],
)
def test_a_file_that_is_no_configuration_is_refused_in_words(
    stage: SetStage, tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "file").write_bytes(content)
    answer = stage(world()).pilotage("mesh-config", "validate", "-f", str(tmp_path / "file"))
    assert answer.code == 3
    assert says in answer.out + answer.err


def test_validate_takes_a_file_and_a_manifest(stage: SetStage, tmp_path: Path) -> None:
    plain, manifest = tmp_path / "mesh.yaml", tmp_path / "cm.yaml"
    plain.write_text("accessLogFile: /dev/stdout\n")
    manifest.write_text("kind: ConfigMap\ndata:\n  mesh: |\n    nonsense: 1\n")
    on = stage(world())
    assert on.pilotage("mesh-config", "validate", "-f", str(plain)).code == 0
    assert on.pilotage("mesh-config", "validate", "-f", str(manifest)).code == 3
    assert on.pilotage("mesh-config", "validate", "-f", str(tmp_path / "none")).code == 2


def test_delete_is_for_removed_revisions_only_and_asks(stage: SetStage, monkeypatch: pytest.MonkeyPatch) -> None:
    on = stage(world(revision("1-31"), configs={A: "", B: ""}))
    assert on.pilotage("mesh-config", "delete", "-r", "1-31", "-y").code == 3
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert on.pilotage("mesh-config", "delete", "-r", "1-30").code == 3
    assert on.kube.written == []
    assert on.pilotage("mesh-config", "delete", "-r", "1-30", "--yes").code == 0
    assert [ref.name for _, ref in on.kube.written] == [A]
