"""The rules that Istio's charts grant, for whoever creates a role must hold all that is in it. Used by `__main__`."""

from pathlib import Path
from typing import Any

import msgspec

from pilotage.domain.mesh import Gateway, GatewayType, ProfileName
from pilotage.domain.objects import Obj
from pilotage.domain.profile import PROFILES
from pilotage.domain.state import Revision
from pilotage.domain.version import Version
from pilotage.edge.charts import render_base, render_revision, renderer_for
from pilotage.edge.gateways import render_gateway
from tools.rbac.rules import Rule


def granted(charts: Path, version: Version) -> tuple[Rule, ...]:
    """Of every Role and ClusterRole that base, istiod and gateway print, under either profile's names."""
    return tuple(sorted({rule for profile in PROFILES for rule in _granted(charts, profile, version)}))


def _granted(charts: Path, name: ProfileName, version: Version) -> set[Rule]:
    profile = msgspec.structs.replace(PROFILES[name], charts=str(charts))
    renderer, revision = renderer_for(str(charts)), Revision(profile.revision_of(version.in_minor), version, True)
    objects = (
        *render_base(renderer, profile, version, revision.name),
        *render_revision(renderer, profile, revision),
        *render_gateway(renderer, profile, revision, Gateway("any", GatewayType.EXTERNAL)),
    )
    roles: list[Obj] = [obj for obj in objects if obj["kind"] in ("Role", "ClusterRole")]
    return {_rule(rule) for role in roles for rule in role.get("rules") or ()}


def _rule(rule: dict[str, Any]) -> Rule:
    lists = (rule.get(field) or () for field in ("apiGroups", "resources", "resourceNames", "verbs"))
    return Rule(*(tuple(sorted(each)) for each in lists))
