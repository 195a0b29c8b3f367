"""Which rights an installation takes: those of its objects, and those in its roles."""

from pilotage.domain.objects import Obj
from pilotage.domain.roles import Right
from pilotage.edge.permissions import grants_of, needs_of

RBAC = "rbac.authorization.k8s.io"


def obj(api_version: str, kind: str, name: str, namespace: str = "", **fields: object) -> Obj:
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name} | place} | fields


def test_what_is_installed_is_also_mended_and_removed() -> None:
    needs = needs_of([obj("v1", "Service", "a", "mesh"), obj("v1", "Service", "b", "mesh")])
    assert [str(need) for need in needs] == [
        f"{verb} services in namespace mesh" for verb in ("create", "patch", "delete")
    ]


def test_a_crd_is_written_by_its_name_and_never_deleted() -> None:
    kind = "CustomResourceDefinition"
    crds = [obj("apiextensions.k8s.io/v1", kind, name) for name in ("gateways.x", "sidecars.x")]
    group, plural = "apiextensions.k8s.io", "customresourcedefinitions"
    assert set(needs_of(crds)) == {
        Right("create", group, plural),
        Right("patch", group, plural, name="gateways.x"),
        Right("patch", group, plural, name="sidecars.x"),
    }


def test_each_right_in_a_role_is_held_by_who_grants_it() -> None:
    rules = [
        {"apiGroups": ["", "x"], "resources": ["things"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["others"], "resourceNames": ["one"], "verbs": ["get"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]
    role = obj(f"{RBAC}/v1", "Role", "istiod", "mesh", rules=rules)
    everywhere = obj(f"{RBAC}/v1", "ClusterRole", "istiod", rules=rules[:1])
    found = [Right(verb, group, "things", "mesh") for group in ("", "x") for verb in ("get", "list")]
    assert list(grants_of([role])) == found
    assert list(grants_of([everywhere])) == [right._replace(namespace="") for right in found]
