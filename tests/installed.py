"""Worlds that Pilotage installed: charts, what is asked for, what stands there. Used by tests of the plan."""

from typing import Any, TypeVar

import msgspec

from pilotage.decide.inventory import held, stamped
from pilotage.domain.actions import Delete, Plan
from pilotage.domain.istio import WebhookConfig
from pilotage.domain.mesh import Mode, RemovalPolicy, ServiceMesh, ServiceMeshSpec
from pilotage.domain.mesh import Revision as Entry
from pilotage.domain.objects import Obj, ObjectRef, ref_of
from pilotage.domain.profile import PROFILES
from pilotage.domain.state import Desired, Revision, Snapshot
from pilotage.domain.version import Version
from worlds import namespace, world

OLD, NEW = Revision("asm-1-30", Version(1, 30, 5)), Revision("asm-1-31", Version(1, 31, 1))
PROFILE = PROFILES["istio"]  # type: ignore[index]
MESH = PROFILE.namespace
T = TypeVar("T", bound=msgspec.Struct)
_ADMISSION = "admissionregistration.k8s.io/v1"


def chart(name: str) -> tuple[Obj, ...]:
    """A control plane's objects, few but of every kind that the order of removal knows."""
    return (
        manifest("v1", "ServiceAccount", f"istiod-{name}"),
        manifest("v1", "Service", f"istiod-{name}"),
        manifest("apps/v1", "Deployment", f"istiod-{name}"),
        manifest(_ADMISSION, "MutatingWebhookConfiguration", f"injector-{name}", MESH_WIDE) | {"webhooks": []},
    )


MESH_WIDE = ""


def base(stable: str) -> tuple[Obj, ...]:
    validator = manifest(_ADMISSION, "ValidatingWebhookConfiguration", "istiod-default-validator", MESH_WIDE)
    validator["metadata"]["labels"] = {"istio.io/rev": stable}
    return (validator | {"webhooks": []},)


def manifest(api_version: str, kind: str, name: str, space: str = MESH) -> Obj:
    place = {"namespace": space} if space else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name} | place}


def wanted(*revisions: Revision, disabled: bool = False) -> Desired:
    objects = {"base": base(revisions[0].name)} | {each.name: chart(each.name) for each in revisions}
    return Desired(PROFILE, revisions, objects, disabled)


def live(*parts: Revision, stable: Revision = OLD) -> dict[ObjectRef, Obj]:
    """Everything of these revisions stands as applied, and the base for `stable`."""
    rows = [(obj, "base") for obj in base(stable.name)] + [
        (obj, each.name) for each in parts for obj in chart(each.name)
    ]
    objects = (stamped(obj, part, parts[-1].version) for obj, part in rows)
    return {ref_of(obj): obj | {"metadata": held(obj)["metadata"]} for obj in objects}


def mesh(*names: str, soak: str = "0s", mode: Mode = Mode.ISTIO, **facts: Any) -> ServiceMesh:
    """The resource that asks for these revisions; no removal waits unless `soak` says so. A mark of None is none."""
    entries = [Entry(name) for name in names]
    facts["annotations"] = {key: value for key, value in facts.get("annotations", {}).items() if value}
    return ServiceMesh(ServiceMeshSpec(entries, mode=mode, removal=RemovalPolicy(soak)), **facts)


def cluster(*things: Any, **facts: Any) -> Snapshot:
    """A world whose revisions were installed by Pilotage, their webhooks too."""
    seen = world(namespace(MESH), *things, **({"mesh": mesh("asm-1-31")} | facts))
    return changed(seen, injectors=_installed(seen.injectors), validators=_installed(seen.validators))


def _installed(configs: tuple[WebhookConfig, ...]) -> tuple[WebhookConfig, ...]:
    ours = {"pilotage.dev/managed": "true"}
    return tuple(
        config if config.tag else changed(config, labels=config.labels | ours | {"pilotage.dev/part": config.revision})
        for config in configs
    )


def steps(made: Plan) -> list[str]:
    """`apply ServiceAccount istiod-asm-1-31` and so on."""
    return [f"{type(action).__name__.lower()} {action.ref.kind} {action.ref.name}" for action in made.now]


def deletes(made: Plan) -> list[Delete]:
    return [Delete(action.ref, "") for action in made.now]


def changed(thing: T, **facts: Any) -> T:
    return msgspec.structs.replace(thing, **facts)
