"""The admission policy around the roles: pods as dry runs, no Secrets, roles and bindings of its own. For `files`.

RBAC cannot say either. Where the policy is not there the roles work as well, and hold more than they use.
"""

from typing import Any, Final

from pilotage.domain.names import OWNER_LABEL

GROUP: Final = "pilotage"  # of people who hold a role: whoever binds roles to other groups names them in the policy
_OURS: Final = "({0} == null || (has({0}.metadata.labels) && '" + OWNER_LABEL + "' in {0}.metadata.labels))"
_IS: Final = "request.resource.{} != '{}' || "
_VALIDATIONS: Final = (
    (
        _IS.format("resource", "pods") + "(has(request.dryRun) && request.dryRun)",
        "Pilotage creates pods as dry runs only, to see what injection makes of them",
    ),
    (
        "request.resource.resource != 'secrets'",
        "Pilotage writes no Secrets; it holds the right because istiod's role does",
    ),
    (
        _IS.format("group", "rbac.authorization.k8s.io") + " && ".join(map(_OURS.format, ("object", "oldObject"))),
        f"Pilotage writes no roles and bindings but its own, labelled {OWNER_LABEL}",
    ),
)


def fence(name: str, who: str) -> list[dict[str, Any]]:
    """Policy and binding. `who`: a CEL expression that is true for those whom it is about."""
    meta = {"name": name}
    version = "admissionregistration.k8s.io/v1"
    return [
        {
            "apiVersion": version,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": meta,
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": _MATCHED},
                "matchConditions": [{"name": "done-by-pilotage", "expression": who}],
                "validations": [
                    {"expression": expression, "message": message, "reason": "Forbidden"}
                    for expression, message in _VALIDATIONS
                ],
            },
        },
        {
            "apiVersion": version,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": meta,
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]


def in_group(*groups: str) -> str:
    """True for members of any of the groups."""
    listed = ", ".join(f"'{group}'" for group in groups)
    return f"has(request.userInfo.groups) && request.userInfo.groups.exists(group, group in [{listed}])"


def _rule(group: str, version: str, resources: list[str], operations: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "apiVersions": [version], "operations": list(operations), "resources": resources}


_WRITES: Final = ["CREATE", "UPDATE", "DELETE"]
_ROLES: Final = ["roles", "rolebindings", "clusterroles", "clusterrolebindings"]
_MATCHED: Final = [
    _rule("", "v1", ["pods"], ["CREATE"]),
    _rule("", "v1", ["secrets"], _WRITES),
    _rule("rbac.authorization.k8s.io", "*", _ROLES, _WRITES),
]
