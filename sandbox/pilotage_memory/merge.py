"""Merging values: JSON merge patches, and server-side apply's merge and removal of fields. Pure; gives new values."""

from collections import deque
from typing import Any

from pilotage_memory.fieldsets import Fields, Path, children, step
from pilotage_memory.shapes import Shape


def merge_patch(value: Any, patch: Any) -> Any:
    """RFC 7386: null deletes, lists are replaced."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for name, change in patch.items():
        if change is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), change)
    return merged


def merge(live: Any, config: Any, shape: Shape) -> Any:
    """What is in either; `config` wins. New items of a list that is a map stand where `config` has them."""
    if isinstance(live, dict) and isinstance(config, dict) and not shape.atomic:
        both = dict(live)
        for name, value in config.items():
            both[name] = merge(live[name], value, shape.inside(name)) if name in live else value
        return both
    if isinstance(live, list) and isinstance(config, list) and (shape.keys or shape.unique):
        return _merge_items(live, config, shape)
    return config


def _merge_items(live: list[Any], config: list[Any], shape: Shape) -> list[Any]:
    """Items of both in the order of `config`; those of `live` alone before the shared item that they stood before."""
    theirs = {step(item, shape): item for item in live}
    ours = {step(item, shape): item for item in config}
    old, new = deque(theirs), deque(ours)
    shared = deque(name for name in ours if name in theirs)  # still to be merged
    merged: dict[str, Any] = {}
    while old or new:
        if old and old[0] not in ours:
            name = old.popleft()
            merged[name] = theirs[name]
        elif old and new and shared and old[0] not in (new[0], shared[0]):
            old.popleft()  # it moves to where `config` has it
        else:
            if old and (old[0] in merged or old[0] == new[0]):
                old.popleft()
            if new:
                name = new.popleft()
                merged[name] = _merge_item(theirs.get(name), ours[name], shape)
                if shared and shared[0] == name:
                    shared.popleft()
    return list(merged.values())


def _merge_item(live: Any, config: Any, shape: Shape) -> Any:
    return config if live is None or shape.unique else merge(live, config, shape.inside(""))


def without(value: Any, gone: Fields, shape: Shape) -> Any:
    """`value` without the fields of `gone`, and all that is below them."""
    return _without(value, gone, shape, ()) if gone else value


def _without(value: Any, gone: Fields, shape: Shape, path: Path) -> Any:
    below = children(value, shape)
    if below is None:
        return value
    kept = {
        name: _without(inner, gone, its, (*path, name))
        for name, (inner, its) in below.items()
        if (*path, name) not in gone
    }
    if isinstance(value, list):
        return list(kept.values())
    return {name.removeprefix("f:"): inner for name, inner in kept.items()}
