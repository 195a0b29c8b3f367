"""What is new of releases, told by the resource, by Events and by every verb that wrote."""

from collections.abc import Iterator

import pytest

from harness import CANARY, STABLE
from inmemory import InMemory, in_memory
from pilotage.decide.announcements import ANNOUNCED


@pytest.fixture
def mesh() -> Iterator[InMemory]:
    with in_memory() as made:
        made.enable().must()
        yield made


def conditions(mesh: InMemory) -> dict[str, str]:
    """Reason of each announcement that holds."""
    listed = mesh.get("servicemesh", "default")["status"]["conditions"]
    return {each["type"]: each["reason"] for each in listed if each["status"] == "True" and each["type"] in ANNOUNCED}


def events(mesh: InMemory) -> list[str]:
    reasons = (each["reason"] for each in mesh.get("events", "-n", "default")["items"])
    return sorted(reason for reason in reasons if reason in ANNOUNCED)


def test_the_resource_and_events_tell_what_is_new_once(mesh: InMemory) -> None:
    assert conditions(mesh) == {"NewMinor": "NewMinor", "SupportEnding": "SupportEnding"}
    mesh.enable().must()
    mesh.enable(STABLE, "--today", "2026-10-21").must()
    assert events(mesh) == ["NewMinor", "SupportEnding"]
    mesh.enable(STABLE, "--today", "2026-11-20").must()
    assert conditions(mesh) == {"NewMinor": "NewMinor", "SupportEnding": "SupportEndingSoon"}
    mesh.enable(STABLE, "--today", "2026-12-20").must()
    assert conditions(mesh) == {"NewMinor": "NewMinor", "Unsupported": "Unsupported"}
    assert set(events(mesh)) == {"NewMinor", "SupportEnding", "Unsupported"}
    ready = next(each for each in mesh.get("servicemesh", "default")["status"]["conditions"] if each["type"] == "Ready")
    assert ready["status"] == "True"


def test_every_verb_that_wrote_tells_it_and_one_that_only_looked_does_not(mesh: InMemory) -> None:
    wrote = mesh.pilotage("tag", "set", "prod", "--revision", STABLE).must()
    assert f"SupportEnding: support of {STABLE} (Istio 1.30) ends on 2026-11-30" in wrote.err
    assert "NewMinor: Istio 1.31 (asm-1-31) is out since 2026-08-31" in wrote.err
    assert len(wrote.err.splitlines()) == 2
    for words in (("tag", "set", "other", "--revision", STABLE, "--dry-run"), ("tag", "list"), ("releases",)):
        assert "NewMinor:" not in mesh.pilotage(*words).must().err
    started = mesh.pilotage("upgrade", "start", "--revision", CANARY, "-o", "json").must()
    assert started.document["message"]
    assert "SupportEnding" in {each["code"] for each in started.document["findings"]}  # and not once more
    assert "SupportEnding" not in started.err
