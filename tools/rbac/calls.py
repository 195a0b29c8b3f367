"""Calls that an API server's audit log shows, as text. Used by the tests' harness and by `python -m tools.rbac`.

A call is `get servicemeshes.pilotage.dev/default`, `list pods`, `get pods/portforward`: verb, resource as kubectl
writes it, and the object's name where names are the same in every cluster.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from tools.rbac.verbs import ROLE_OF

NAMESPACE: Final = "pilotage-system"
_USER: Final = f"system:serviceaccount:{NAMESPACE}:"
_OPERATOR_ACCOUNT: Final = "pilotage"  # of the chart
# Resources whose objects have the same names everywhere: rights to them are for those objects alone.
NAMED: Final = ("servicemeshes.pilotage.dev", "customresourcedefinitions.apiextensions.k8s.io")
# The API server knows no name yet, or none at all, when it decides about these.
_NAMELESS: Final = ("list", "watch", "create", "deletecollection")
# Everybody who is logged in may do these: system:basic-user.
_FREE: Final = ("authorization.k8s.io", "authentication.k8s.io")


class Call(NamedTuple):
    """`resource` is `pods`, `deployments.apps`, `pods/portforward`, …; `name` may be ""."""

    verb: str
    resource: str
    name: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in self if part)

    @classmethod
    def parse(cls, text: str) -> "Call":
        return cls(*text.split())


def account_of(verb: str) -> str:
    """The ServiceAccount that tests run a verb as: `tag set` -> `tag-set`."""
    return verb.replace(" ", "-")


_VERB_OF: Final = {account_of(verb): verb for verb in ROLE_OF} | {_OPERATOR_ACCOUNT: "operator"}


def seen_in(log: Iterable[str]) -> dict[str, set[Call]]:
    """Verb of Pilotage -> its calls, those that were refused too. `log`: JSON lines of audit.k8s.io/v1 Events."""
    found: dict[str, set[Call]] = {}
    for line in log:
        if _USER not in line:
            continue
        event = json.loads(line)
        verb = _VERB_OF.get(event["user"]["username"].removeprefix(_USER))
        # By hand, as in `kubectl --as`: not what Pilotage does. A port-forward names no agent.
        if verb and not event.get("userAgent", "").startswith(("kubectl", "istioctl")):
            found.setdefault(verb, set()).update(_calls(event))
    return {verb: calls for verb, calls in found.items() if calls}


def _calls(event: dict[str, Any]) -> Iterator[Call]:
    what = event.get("objectRef")
    if not what or what.get("apiGroup", "") in _FREE or "resource" not in what:
        return  # discovery and health, which everybody may ask
    resource = ".".join(part for part in (what["resource"], what.get("apiGroup", "")) if part)
    name = what.get("name", "") if resource in NAMED and event["verb"] not in _NAMELESS else ""
    resource += f"/{what['subresource']}" if "subresource" in what else ""
    yield Call(event["verb"], resource, name)
    if event["verb"] == "patch" and event.get("responseStatus", {}).get("code") == 201:
        yield Call("create", resource)  # an apply of what was not there
    if resource == "pods/portforward":
        yield Call("create", resource)  # asked as well since Kubernetes 1.35


def read(folder: Path) -> dict[str, set[Call]]:
    """What `write` left there, of all sandboxes together."""
    found: dict[str, set[Call]] = {}
    for path in sorted(folder.glob("*.json")):
        for verb, calls in json.loads(path.read_text()).items():
            found.setdefault(verb, set()).update(map(Call.parse, calls))
    return found


def write(path: Path, seen: dict[str, set[Call]]) -> None:
    """One sandbox's calls, for `read`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({verb: sorted(map(str, calls)) for verb, calls in sorted(seen.items())}, indent=1))
