"""Events as an API server gets them: once, then as a series, and never in the way of the work."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from loopback_api import Asked, Reply, serving, status

from pilotage.domain.events import Event
from pilotage.domain.objects import ObjectRef
from pilotage.edge.events import record
from worlds import NOW

PLACE = "/apis/events.k8s.io/v1/namespaces/default/events"
KINDS = {"resources": [{"name": "events", "kind": "Event", "namespaced": True, "verbs": []}]}
SERVICE = ObjectRef("v1", "Service", "istio-system", "istiod")
EDITED = Event("PutBack", "Service istiod: spec.type changed", "Apply", related=SERVICE, key="spec.type ann")


class Store:
    """Keeps what is created; merges what is patched into it."""

    def __init__(self) -> None:
        self.events: dict[str, Any] = {}
        self.asked: list[str] = []

    def __call__(self, asked: Asked) -> Reply:
        name = asked.path.removeprefix(PLACE).strip("/")
        if asked.path == "/apis/events.k8s.io/v1":
            return Reply(KINDS)
        self.asked.append(asked.method)
        if asked.method == "GET" and name not in self.events:
            return status(404, "NotFound", "it is not there")
        if asked.method == "POST":
            self.events[asked.json["metadata"]["name"]] = asked.json
            return Reply(asked.json)
        self.events[name] |= asked.json if asked.method == "PATCH" else {}
        return Reply(self.events[name])


@pytest.mark.parametrize(
    ("seconds", "counts"),
    [
        pytest.param([0], None, id="once"),
        pytest.param([0, 5, 30], None, id="again within a minute: not written"),
        pytest.param([0, 61, 70, 130], 3, id="again after minutes: a series"),
    ],
)
def test_the_same_thing_again_is_one_event(tmp_path: Path, seconds: list[int], counts: int | None) -> None:
    store = Store()
    with serving(store) as api:
        for later in seconds:
            record(api.connect(tmp_path), "u1", EDITED, NOW + timedelta(seconds=later))
    (event,) = store.events.values()
    assert event.get("series", {}).get("count") == counts
    assert store.asked.count("POST") == 1
    assert store.asked.count("PATCH") == (counts or 1) - 1
    assert event["regarding"]["kind"] == "ServiceMesh"
    assert event["related"] == {"apiVersion": "v1", "kind": "Service", "namespace": "istio-system", "name": "istiod"}


def test_another_thing_is_another_event(tmp_path: Path) -> None:
    store = Store()
    with serving(store) as api:
        record(api.connect(tmp_path), "u1", EDITED, NOW)
        record(api.connect(tmp_path), "u1", Event("Stalled", "RevisionInUse: shop", warning=True), NOW)
    assert {event["type"] for event in store.events.values()} == {"Normal", "Warning"}


def test_a_long_note_is_cut_to_what_the_api_server_takes(tmp_path: Path) -> None:
    store = Store()
    with serving(store) as api:
        record(api.connect(tmp_path), "u1", Event("Stalled", "é" * 2000), NOW)
    (event,) = store.events.values()
    assert 1000 < len(event["note"].encode()) <= 1024


def test_one_that_another_wrote_in_between_is_left_to_it(tmp_path: Path) -> None:
    def race(asked: Asked) -> Reply:
        if asked.path == "/apis/events.k8s.io/v1":
            return Reply(KINDS)
        return status(409, "AlreadyExists", "it is") if asked.method == "POST" else status(404, "NotFound", "not there")

    with serving(race) as api:
        record(api.connect(tmp_path), "u1", EDITED, NOW)


@pytest.mark.parametrize("denied", ["GET", "POST"])
def test_who_may_not_write_events_goes_on_without(tmp_path: Path, denied: str) -> None:
    def forbid(asked: Asked) -> Reply:
        if asked.path == "/apis/events.k8s.io/v1":
            return Reply(KINDS)
        no = asked.method == denied
        return status(403, "Forbidden", "events are not for you") if no else status(404, "NotFound", "not there")

    with serving(forbid) as api:
        record(api.connect(tmp_path), "u1", EDITED, NOW)
