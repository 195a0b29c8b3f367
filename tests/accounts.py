"""The roles of deploy/rbac.yaml as the tests hold them: a ServiceAccount per verb and per role. Used by `harness`.

A verb has an account of its own so that the audit log tells what each verb asks for.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from tools.rbac.calls import NAMESPACE, account_of
from tools.rbac.fence import fence, in_group
from tools.rbac.files import cluster_role, name_of
from tools.rbac.verbs import ROLE_OF, Role

_GROUP = "rbac.authorization.k8s.io"


def role_objects() -> Iterator[dict[str, Any]]:
    """Roles under names of their own, so that those of deploy/rbac.yaml may come beside them; accounts; the fence."""
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    yield from fence("tests", in_group(f"system:serviceaccounts:{NAMESPACE}"))
    for role in Role:
        accounts = [str(role), *(account_of(verb) for verb, smallest in ROLE_OF.items() if smallest is role)]
        metas = [{"name": account, "namespace": NAMESPACE} for account in accounts]
        yield from ({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta} for meta in metas)
        name = f"tests-{name_of(role)}"
        made = {"apiVersion": f"{_GROUP}/v1", "metadata": {"name": name}}
        yield cluster_role(role) | made
        reference = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name}
        subjects = [{"kind": "ServiceAccount", **meta} for meta in metas]
        yield {"kind": "ClusterRoleBinding", "roleRef": reference, "subjects": subjects} | made


def write_kubeconfig(of_admin: Path, account: str, token: str) -> Path:
    """Beside an administrator's, for the same cluster."""
    config = yaml.safe_load(of_admin.read_text())
    config["users"][0]["user"] = {"token": token}
    path = of_admin.with_name(f"{account}.kubeconfig")
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path
