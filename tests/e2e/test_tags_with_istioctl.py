"""Tags both ways with the real istioctl: made by either, seen, moved and removed by both, in writes that are whole."""

import json
from collections.abc import Iterator

import pytest

from audit import Audit
from harness import CANARY, MESH, STABLE, Cluster, Obj, Result, deployment, eventually, namespace, sandbox
from scenery import Tag, staged

pytestmark = pytest.mark.e2e

TOOLS = ("istioctl", "pilotage")
_CONFIGS = "mutatingwebhookconfigurations"


@pytest.fixture(scope="module")
def mesh() -> Iterator[Cluster]:
    with sandbox("sc-tags") as made:
        made.enable().must()
        made.pilotage("upgrade", "start", "--revision", CANARY).must()
        yield made


@pytest.mark.parametrize("maker", TOOLS)
@pytest.mark.parametrize("mover", TOOLS)
def test_a_tag_made_by_either_is_seen_moved_and_removed_by_both(mesh: Cluster, maker: str, mover: str) -> None:
    tag = f"{maker}-{mover}"
    _tag(mesh, maker, "set", tag, "--revision", STABLE).must()
    assert _listed(mesh, tag) == {tool: STABLE for tool in TOOLS}
    _tag(mesh, mover, "set", tag, "--revision", CANARY, "--overwrite").must()
    assert _listed(mesh, tag) == {tool: CANARY for tool in TOOLS}
    assert _services(mesh, tag) == {(MESH, f"istiod-{CANARY}")}
    _tag(mesh, maker, "remove", tag, "-y").must()
    assert _listed(mesh, tag) == {tool: None for tool in TOOLS}
    assert not mesh.names(_CONFIGS, labels=f"istio.io/tag={tag}")
    assert not mesh.names("services", MESH, f"istio.io/tag={tag}")


def test_both_make_the_same_objects(mesh: Cluster) -> None:
    made = {}
    for tool in TOOLS:
        _tag(mesh, tool, "set", "same", "--revision", STABLE).must()
        made[tool] = _essence(mesh, "same")
        _tag(mesh, tool, "remove", "same", "-y").must()
    assert made["istioctl"] == made["pilotage"]


def test_what_is_generated_is_what_would_be_set_whoever_applies_it(mesh: Cluster) -> None:
    words = ("generate", "printed", "--revision", STABLE)
    made = {}
    for tool in TOOLS:
        mesh.kubectl("apply", "-f", "-", given=_tag(mesh, tool, *words).must().out).must()
        made[tool] = _essence(mesh, "printed")
        _tag(mesh, "pilotage", "remove", "printed", "-y").must()
    assert made["istioctl"] == made["pilotage"]


def test_moving_a_tag_is_one_write_of_service_bundle_and_label_together(mesh: Cluster) -> None:
    with staged(mesh, Tag("whole", STABLE)):
        (name,) = mesh.names(_CONFIGS, labels="istio.io/tag=whole")
        before = _live(mesh, name)["metadata"]["generation"]
        audit = Audit(mesh)
        _tag(mesh, "pilotage", "set", "whole", "--revision", CANARY, "--overwrite").must()
        assert _live(mesh, name)["metadata"]["generation"] == before + 1
        assert _writes(audit, name) == ["patch"]


def test_setting_a_tag_again_writes_nothing(mesh: Cluster) -> None:
    with staged(mesh, Tag("again", STABLE)):
        (name,) = mesh.names(_CONFIGS, labels="istio.io/tag=again")
        before = _live(mesh, name)["metadata"]["resourceVersion"]
        _tag(mesh, "pilotage", "set", "again", "--revision", STABLE, "--overwrite").must()
        assert _live(mesh, name)["metadata"]["resourceVersion"] == before


def test_pods_created_later_get_the_proxy_that_the_tag_points_at_then(mesh: Cluster) -> None:
    with staged(mesh, Tag("ring", STABLE), namespace("sc-ring", rev="ring")):
        mesh.expect_injection("sc-ring", STABLE)
        mesh.apply(deployment("sc-ring", "web"))
        eventually("web runs", lambda: mesh.proxies("sc-ring") == {"web": {STABLE}})
        _tag(mesh, "pilotage", "set", "ring", "--revision", CANARY, "--overwrite").must()
        assert mesh.proxies("sc-ring") == {"web": {STABLE}}
        mesh.expect_injection("sc-ring", CANARY)
        mesh.kubectl("rollout", "restart", "deployment", "web", "-n", "sc-ring").must()
        eventually("web moved", lambda: mesh.proxies("sc-ring") == {"web": {CANARY}})


@pytest.mark.parametrize("tool", TOOLS)
def test_an_existing_tag_is_moved_only_with_overwrite(mesh: Cluster, tool: str) -> None:
    with staged(mesh, Tag("kept", STABLE)):
        refused = _tag(mesh, tool, "set", "kept", "--revision", CANARY)
        assert refused.code != 0
        assert 'revision tag "kept" already exists, and --overwrite is false' in refused.err
        assert _listed(mesh, "kept")["pilotage"] == STABLE


def test_the_name_of_a_live_revision_is_refused_even_with_overwrite(mesh: Cluster) -> None:
    refused = _tag(mesh, "pilotage", "set", CANARY, "--revision", STABLE, "--overwrite", "-y").must(3)
    assert "found existing control plane revision with same name" in refused.err
    assert not mesh.names(_CONFIGS, labels=f"istio.io/tag={CANARY}")


def test_a_tag_for_a_revision_that_is_not_there_is_refused(mesh: Cluster) -> None:
    refused = _tag(mesh, "pilotage", "set", "lost", "--revision", "asm-1-29").must(3)
    assert 'with revision "asm-1-29"' in refused.err
    assert not mesh.names(_CONFIGS, labels="istio.io/tag=lost")


def test_an_empty_ca_bundle_is_waited_for_then_refused(mesh: Cluster) -> None:
    """istiod is stopped first: it would fill the bundle again at once."""
    injector, istiod = f"istio-sidecar-injector-{CANARY}-{MESH}", f"deployment/istiod-{CANARY}"
    mesh.kubectl("scale", istiod, "-n", MESH, "--replicas=0").must()
    eventually("istiod is gone", lambda: not mesh.names("pods", MESH, f"istio.io/rev={CANARY}"))
    empty = [{"op": "remove", "path": f"/webhooks/{at}/clientConfig/caBundle"} for at in range(2)]
    mesh.kubectl("patch", _CONFIGS, injector, "--type=json", "-p", json.dumps(empty)).must()
    words = ("set", "early", "--revision", CANARY)
    given_up = _tag(mesh, "pilotage", *words, "--timeout", "2s").must(1)
    assert "caBundle" in given_up.err
    assert not mesh.names(_CONFIGS, labels="istio.io/tag=early")
    waiting = mesh.start("tag", *words, "--timeout", "100s", "-i", MESH)
    mesh.kubectl("scale", istiod, "-n", MESH, "--replicas=1").must()
    _, err = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, err
    assert _services(mesh, "early") == {(MESH, f"istiod-{CANARY}")}
    assert all(hook["clientConfig"].get("caBundle") for hook in _of(mesh, "early")["webhooks"])
    _tag(mesh, "pilotage", "remove", "early", "-y").must()


def _tag(mesh: Cluster, tool: str, *words: str) -> Result:
    """The same words for either."""
    run = mesh.istioctl if tool == "istioctl" else mesh.pilotage
    return run("tag", *words, "--istioNamespace", MESH)


def _listed(mesh: Cluster, tag: str) -> dict[str, str | None]:
    """What each tool says the tag points at."""
    rows = {tool: _tag(mesh, tool, "list", "-o", "json").must().document for tool in TOOLS}
    return {tool: next((row["revision"] for row in rows[tool] if row["tag"] == tag), None) for tool in TOOLS}


def _of(mesh: Cluster, tag: str) -> Obj:
    (config,) = mesh.get(_CONFIGS, "-l", f"istio.io/tag={tag}")["items"]
    return dict(config)


def _live(mesh: Cluster, name: str) -> Obj:
    return dict(mesh.get(_CONFIGS, name))


def _services(mesh: Cluster, tag: str) -> set[tuple[str, str]]:
    """Whom the tag's webhooks call."""
    calls = (hook["clientConfig"]["service"] for hook in _of(mesh, tag)["webhooks"])
    return {(service["namespace"], service["name"]) for service in calls}


def _essence(mesh: Cluster, tag: str) -> Obj:
    """A tag's objects without what the API server adds and the labels that only say who installed it."""
    config = _of(mesh, tag)
    (service,) = mesh.get("services", "-n", MESH, "-l", f"istio.io/tag={tag}")["items"]
    ports = [(port["name"], port["port"], port["targetPort"]) for port in service["spec"]["ports"]]
    return {
        "injector": (*_marked(config), config["webhooks"]),
        "service": (*_marked(service), service["spec"]["selector"], ports),
    }


def _marked(thing: Obj) -> tuple[str, Obj]:
    """Name and the labels that Istio reads."""
    labels = thing["metadata"]["labels"]
    read = {key: value for key, value in labels.items() if key == "app" or key.startswith("istio.io/")}
    return thing["metadata"]["name"], read


def _writes(audit: Audit, name: str) -> list[str]:
    """Verbs of what Pilotage wrote of an injector, in order."""
    return [asked.verb for asked in audit.written() if asked.name == name]
