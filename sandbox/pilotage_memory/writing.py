"""POST, PUT, PATCH and DELETE of one object. Used by `api`."""

from typing import Final

from pilotage_memory.errors import invalid, not_found, refusal, unsupported
from pilotage_memory.kinds import Kind, Obj, group_version
from pilotage_memory.lifecycle import By
from pilotage_memory.merge import merge_patch
from pilotage_memory.messages import Request, Response, answer
from pilotage_memory.paths import Place
from pilotage_memory.store import Store

_WRITE: Final = ("fieldManager", "fieldValidation", "dryRun")
_APPLY: Final = ("application/apply-patch+yaml", "application/apply-patch+json")
_MERGE: Final = "application/merge-patch+json"


def create(store: Store, kind: Kind, place: Place, request: Request) -> Response:
    _known(request, *_WRITE)
    obj = _body(kind, place, request)
    if obj["metadata"].get("resourceVersion"):
        raise refusal("BadRequest", "resourceVersion should not be set on objects to be created")
    if kind.status:
        obj.pop("status", None)
    return answer(store.create(obj, manager=request.manager, dry_run=request.dry_run), 201)


def replace(store: Store, kind: Kind, place: Place, request: Request) -> Response:
    _known(request, *_WRITE)
    obj = _body(kind, place, request)
    made = store.update(obj, manager=request.manager, subresource=place.subresource, dry_run=request.dry_run)
    return answer(made)


def patch(store: Store, kind: Kind, place: Place, request: Request) -> Response:
    _known(request, *_WRITE, "force")
    if request.content in _APPLY:
        return _apply(store, kind, place, request)
    if request.content != _MERGE:
        raise unsupported(f"{request.words} with {request.content}")
    change = request.document()
    with store.lock:
        current = store.get(place.key)
        if current is None:
            raise not_found(kind.plural, kind.group, place.name)
        merged = merge_patch(current, change)
        # Without one in the patch, whatever is there now is what was meant.
        merged["metadata"]["resourceVersion"] = (change.get("metadata") or {}).get("resourceVersion", "")
        merged["apiVersion"] = current["apiVersion"]
        _same(kind, place, merged)
        made = store.update(merged, manager=request.manager, subresource=place.subresource, dry_run=request.dry_run)
    return answer(made)


def _apply(store: Store, kind: Kind, place: Place, request: Request) -> Response:
    if not request.query.get("fieldManager"):
        cause = {"reason": "FieldValueRequired", "message": "Required value: is required for apply patch"}
        raise invalid("PatchOptions", "meta.k8s.io", "", [cause | {"field": "fieldManager"}])
    config = _body(kind, place, request)
    if config["metadata"].get("managedFields"):
        raise refusal("BadRequest", "metadata.managedFields must be nil")
    by = By(request.manager, store.clock(), place.subresource, request.flag("force"))
    with store.lock:
        there = store.entry(place.key) is not None
        made = store.apply(config, by, dry_run=request.dry_run)
    return answer(made, 200 if there else 201)


def delete(store: Store, kind: Kind, place: Place, request: Request) -> Response:
    """Answers the object where it only begins to end, else a Status."""
    _known(request, "dryRun", "propagationPolicy", "gracePeriodSeconds")
    options = request.document() if request.body else {}
    given = {**request.query, **{name: value for name, value in options.items() if name not in ("kind", "apiVersion")}}
    if set(given) - {"dryRun", "propagationPolicy", "gracePeriodSeconds", "timeout", "pretty"}:
        raise unsupported(f"{request.words} with options {options}")
    policy = given.get("propagationPolicy") or "Background"
    if policy not in ("Background", "Orphan"):
        raise unsupported(f"propagationPolicy {policy} of {request.words}")
    grace = given.get("gracePeriodSeconds")
    dry_run = given.get("dryRun") in ("All", ["All"])
    with store.lock:
        before = store.entry(place.key)
        if before is None:
            raise not_found(kind.plural, kind.group, place.name)
        if policy == "Orphan" and not dry_run:
            store.orphan(before.obj["metadata"]["uid"])
        store.delete(place.key, grace=None if grace is None else int(grace), dry_run=dry_run)
        left = store.get(place.key)
    if left is not None and not dry_run:
        return answer(left)
    meta = before.obj["metadata"]
    details = {"name": meta["name"], "kind": kind.plural, "uid": meta["uid"]} | (
        {"group": kind.group} if kind.group else {}
    )
    return answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})


def _known(request: Request, *parameters: str) -> None:
    request.only(*parameters)
    if request.query.get("dryRun", "All") != "All":
        raise unsupported(request.words)


def _body(kind: Kind, place: Place, request: Request) -> Obj:
    """The object that was sent, with the name and namespace of the path. Raises BadRequest where they differ."""
    obj = request.document()
    version = group_version(place.group, place.version)
    if (obj.setdefault("apiVersion", version), obj.setdefault("kind", kind.kind)) != (version, kind.kind):
        raise refusal("BadRequest", f"{obj['kind']} in version {obj['apiVersion']} cannot be handled as a {kind.kind}")
    meta = obj["metadata"] = obj.get("metadata") or {}
    if place.name:
        meta.setdefault("name", place.name)
    if kind.namespaced:
        meta.setdefault("namespace", place.namespace)
    _same(kind, place, obj)
    return obj


def _same(kind: Kind, place: Place, obj: Obj) -> None:
    meta = obj["metadata"]
    if place.name and meta.get("name") != place.name:
        raise refusal("BadRequest", "the name of the object does not match the name on the URL")
    if kind.namespaced and meta.get("namespace") != place.namespace:
        words = "the namespace of the provided object does not match the namespace sent on the request"
        raise refusal("BadRequest", words)
