"""What is served, as clients ask for it: /version, /api, /apis, and the kinds of a version. Used by `api`."""

from collections.abc import Iterable
from typing import Final

from pilotage_memory.kinds import GROUPS, Kind, Obj, group_version
from pilotage_memory.messages import Response, answer

VERSION: Final = "v1.36.3"
_VERBS: Final = ["create", "delete", "get", "list", "patch", "update", "watch"]
# Kinds that are asked, not kept.
REVIEWS: Final = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    ("authentication.k8s.io", "selfsubjectreviews"): "SelfSubjectReview",
}


def discover(path: str, kinds: Iterable[Kind]) -> Response | None:
    """None for a path that is not asked for discovery, or for a group or version that is not served."""
    if path == "/version":
        major, minor, _ = VERSION.removeprefix("v").split(".")
        return answer({"major": major, "minor": minor, "gitVersion": VERSION, "platform": "linux/amd64"})
    if path in ("/healthz", "/livez", "/readyz"):
        return Response(body=b"ok", content="text/plain")
    parts = path.strip("/").split("/")
    if parts == ["api"]:
        return answer({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
    if parts == ["apis"]:
        return answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups(kinds)})
    if parts[0] == "apis" and len(parts) == 2:
        return next((answer({"apiVersion": "v1", **g}) for g in _groups(kinds) if g["name"] == parts[1]), None)
    if (parts[0] == "apis" and len(parts) == 3) or (parts[0] == "api" and len(parts) == 2):
        return _resources("/".join(parts[1:]), kinds)
    return None


def _groups(kinds: Iterable[Kind]) -> list[Obj]:
    versions: dict[str, dict[str, None]] = {}
    for kind in kinds:
        if kind.group:
            versions.setdefault(kind.group, {}).update(dict.fromkeys(kind.versions))
    for group, _ in REVIEWS:
        versions[group] = {"v1": None}
    return [
        {
            "kind": "APIGroup",
            "name": group,
            "versions": (told := [{"groupVersion": f"{group}/{version}", "version": version} for version in served]),
            "preferredVersion": told[0],
        }
        for group, served in versions.items()
    ]


def _resources(api_version: str, kinds: Iterable[Kind]) -> Response | None:
    told: list[Obj] = []
    for kind in kinds:
        if api_version not in {group_version(kind.group, version) for version in kind.versions}:
            continue
        row: Obj = {"name": kind.plural, "singularName": kind.kind.lower(), "namespaced": kind.namespaced}
        row |= {"kind": kind.kind, "verbs": _VERBS}
        told.append(row | ({"shortNames": list(kind.short)} if kind.short else {}))
        if kind.status:
            told.append(row | {"name": f"{kind.plural}/status", "verbs": ["get", "patch", "update"]})
    for (group, plural), name in REVIEWS.items():
        if api_version == f"{group}/v1":
            told.append({"name": plural, "singularName": "", "namespaced": False, "kind": name, "verbs": ["create"]})
    if not told:
        return None
    return answer({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": told})


def is_built_in(group: str) -> bool:
    """Of a real API server, so that what it serves and we do not is not told to be missing."""
    return group in GROUPS
