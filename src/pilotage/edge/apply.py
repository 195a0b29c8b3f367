"""Action -> call: a table from the type of an action to one short function. Called by the loop and by direct verbs."""

from collections.abc import Callable, Iterable
from typing import Any

from pilotage.domain.actions import Action, Apply, Delete, Patch
from pilotage.domain.errors import MeshError
from pilotage.edge.kube import Kube


def apply(kube: Kube, action: Action, *, dry_run: bool = False) -> None:
    """Does one action; repeating it changes nothing. `dry_run`: the API server checks it all and writes nothing.

    Raises what `Kube` raises: Denied, Retry (conflicts, 429), Refused (422), Unreachable.
    """
    _CALLS[type(action)](kube, action, dry_run)


def apply_all(
    kube: Kube,
    actions: Iterable[Action],
    *,
    done: Callable[[Action], None] = lambda _: None,
    failed: Callable[[Action, MeshError], None] = lambda *_: None,
) -> int:
    """Does the actions in order, and counts them.

    The first that fails ends it: `failed` is told which, and the error is raised.
    """
    count = 0
    for action in actions:
        try:
            apply(kube, action)
        except MeshError as error:
            failed(action, error)
            raise
        done(action)
        count += 1
    return count


def _apply(kube: Kube, action: Any, dry_run: bool) -> None:
    kube.apply(action.body, action.manager, dry_run=dry_run)


def _patch(kube: Kube, action: Any, dry_run: bool) -> None:
    kube.patch(action.ref, action.body, dry_run=dry_run)


def _delete(kube: Kube, action: Any, dry_run: bool) -> None:
    kube.delete(action.ref, dry_run=dry_run)


_CALLS: dict[type, Callable[[Kube, Any, bool], None]] = {Apply: _apply, Patch: _patch, Delete: _delete}
