"""Where a user's catalog is found in a cluster, and what is said where it is not."""

from pathlib import Path

import pytest
from loopback_api import Asked, Reply, serving, status

from pilotage.domain.errors import Refused
from pilotage.edge.catalog import configmap_text

_KINDS = {"resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True, "verbs": ["get"]}]}


def text_of(folder: Path, place: str, data: dict[str, str] | None) -> str:
    def respond(asked: Asked) -> Reply:
        if asked.path == "/api/v1/namespaces/ops/configmaps/istio-catalog" and data is not None:
            return Reply({"metadata": {"name": "istio-catalog", "namespace": "ops"}, "data": data})
        return Reply(_KINDS) if asked.path == "/api/v1" else status(404, "NotFound", "no such object")

    with serving(respond) as api:
        return configmap_text(api.connect(folder), place)


def test_a_configmap_holds_the_catalog_under_its_key(tmp_path: Path) -> None:
    assert text_of(tmp_path, "ops/istio-catalog", {"catalog.yaml": "minors: []"}) == "minors: []"


@pytest.mark.parametrize(
    ("place", "data", "words"),
    [
        ("ops/istio-catalog", {}, "has no key catalog.yaml"),
        ("ops/istio-catalog", None, "does not exist"),
        ("istio-catalog", None, "does not name a ConfigMap"),
        ("a/b/c", None, "does not name a ConfigMap"),
    ],
)
def test_one_that_is_not_there_is_refused(tmp_path: Path, place: str, data: dict[str, str] | None, words: str) -> None:
    with pytest.raises(Refused, match=words):
        text_of(tmp_path, place, data)
