"""The user's mesh configuration, one ConfigMap per revision: check, compare, copy, delete, and what start says of it.

Called by `preflight`, and by the faces for the verbs `mesh-config`. istiod reads defaults, then this one, then the
managed `istio-<rev>`, and skips a source it cannot parse: all its settings are then lost without a word.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pilotage.decide.meshfields import problems
from pilotage.decide.selectors import revisions
from pilotage.decide.strictyaml import YamlError, parse
from pilotage.decide.wording import first_of
from pilotage.domain.actions import Apply, Delete
from pilotage.domain.errors import Refused
from pilotage.domain.findings import Finding
from pilotage.domain.names import CREATE_MANAGER, MESH_KEY, managed_config, shared_config
from pilotage.domain.objects import ObjectRef
from pilotage.domain.roles import TO_LOOK
from pilotage.domain.state import Snapshot


class Change(NamedTuple):
    """One setting that differs; None where it is not given."""

    path: str
    old: Any
    new: Any


def validate(name: str, text: str, namespace: str = "") -> tuple[Finding, ...]:
    """MeshConfigInvalid for everything that istiod would skip or not read as meant.

    `name` is a ConfigMap of `namespace`; of none, a file.
    """
    try:
        found = tuple(problems(parse(text)))
    except YamlError as error:
        found = (str(error),)
    fix = f"edit {name}, then pilotage mesh-config validate --file {name}"
    if namespace:
        fix = f"kubectl edit configmap -n {namespace} {name}, then pilotage mesh-config validate"
    return tuple(Finding("MeshConfigInvalid", f"{name}: {problem}", name, fix) for problem in found)


def diff(old: str, new: str) -> tuple[Change, ...]:
    """Settings that differ, by path in alphabetical order. Raises Refused where either is not YAML."""
    before, after = _settings(old), _settings(new)
    paths = sorted(before.keys() | after.keys())
    return tuple(
        Change(path, before.get(path), after.get(path)) for path in paths if before.get(path) != after.get(path)
    )


def overridden(shared: str, managed: str) -> tuple[Change, ...]:
    """Settings that the user gave and the managed configuration replaces: (path, the user's, the managed one's)."""
    return tuple(change for change in diff(shared, managed) if change.old is not None and change.new is not None)


def preflight(snapshot: Snapshot, stable: str | None, canary: str, without: bool) -> Iterator[Finding]:
    """What installing `canary` beside `stable` (None: nothing) means for the user's mesh configuration.

    `without`: the user said that the canary shall have none, or is having it copied.
    """
    if "configs" in snapshot.unknown:
        return
    mine = snapshot.configs.get(shared_config(canary))
    theirs = snapshot.configs.get(shared_config(stable)) if stable else None
    if mine is None and theirs is not None and stable is not None and not without:
        yield _missing(snapshot, stable, canary)
    checked = canary if mine is not None or stable is None else stable
    text = mine if mine is not None else theirs
    if text is None:
        return
    invalid = validate(shared_config(checked), text, snapshot.profile.namespace)
    yield from invalid
    managed = snapshot.configs.get(managed_config(checked))
    if managed is not None and not invalid and not validate("", managed):
        yield from _overridden(checked, text, managed)


def copy(snapshot: Snapshot, source: str, target: str, *, overwrite: bool = False) -> Apply:
    """The ConfigMap of revision `target`, equal to that of `source`. Raises Refused where that would lose something.

    Written once and then left to the user: no manager that comes back, no label of the inventory.
    """
    _require_known(snapshot, "configs")
    text = snapshot.configs.get(shared_config(source))
    if text is None:
        raise Refused(
            f"{source} has no mesh configuration: there is no {_ref(snapshot, source)}", fix=_listed(snapshot)
        )
    if source == target:
        raise Refused(f"{source} is both source and target", fix="name another revision with --to")
    there = snapshot.configs.get(shared_config(target))
    if there is not None and there != text and not overwrite:
        raise Refused(
            f"{target} has a mesh configuration already, and it differs",
            fix=f"pilotage mesh-config diff --from {source} --to {target}",
        )
    ref = _ref(snapshot, target)
    metadata = {"name": ref.name, "namespace": ref.namespace}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {MESH_KEY: text}}
    return Apply(body, f"mesh configuration of {target}, copied from {source}", CREATE_MANAGER)


def delete(snapshot: Snapshot, revision: str) -> Delete:
    """Of a removed revision only. The face asks first: `why` says what is lost. Raises Refused."""
    for fact in ("configs", "control_planes", "injectors"):
        _require_known(snapshot, fact)
    if revision in revisions(snapshot) or _asked_for(snapshot, revision):
        raise Refused(
            f"{revision} is installed: its istiod would fall back to defaults at once",
            fix=f"kubectl edit configmap -n {snapshot.profile.namespace} {shared_config(revision)}",
        )
    if shared_config(revision) not in snapshot.configs:
        raise Refused(f"there is no {_ref(snapshot, revision)}", fix=_listed(snapshot))
    return Delete(_ref(snapshot, revision), f"mesh configuration of {revision}, which is not installed")


def _missing(snapshot: Snapshot, stable: str, canary: str) -> Finding:
    message = (
        f"{stable} has a mesh configuration ({_ref(snapshot, stable)}) and {canary} has none: "
        f"all its settings would be lost for what moves to {canary}"
    )
    fix = (
        f"pilotage mesh-config copy --from {stable} --to {canary}, or "
        f"pilotage upgrade start --revision {canary} --copy-mesh-config (or --without-mesh-config)"
    )
    return Finding("MeshConfigMissing", message, canary, fix)


def _overridden(revision: str, shared: str, managed: str) -> Iterator[Finding]:
    paths = [change.path for change in overridden(shared, managed)]
    if paths:
        message = f"{managed_config(revision)} wins over {shared_config(revision)} for {first_of(paths)}"
        yield Finding("MeshConfigOverridden", message, revision)


def _settings(text: str) -> dict[str, Any]:
    try:
        return dict(_leaves(parse(text).plain(), ""))
    except YamlError as error:
        raise Refused(f"mesh configuration: {error}", fix="pilotage mesh-config validate") from None


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Scalars and lists by path. A list of named things, as extensionProviders, is entered by name."""
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _leaves(child, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        for item in value:
            yield from _leaves(item, f"{path}[{item['name']}]")
    elif value is not None:
        yield path, value


def _ref(snapshot: Snapshot, revision: str) -> ObjectRef:
    return ObjectRef("v1", "ConfigMap", snapshot.profile.namespace, shared_config(revision))


def _listed(snapshot: Snapshot) -> str:
    return f"kubectl get configmaps -n {snapshot.profile.namespace}"


def _asked_for(snapshot: Snapshot, revision: str) -> bool:
    return snapshot.mesh is not None and any(entry.name == revision for entry in snapshot.mesh.spec.revisions)


def _require_known(snapshot: Snapshot, fact: str) -> None:
    if fact in snapshot.unknown:
        raise Refused(f"{fact.replace('_', ' ')} could not be read: {snapshot.unknown[fact]}", fix=TO_LOOK)
