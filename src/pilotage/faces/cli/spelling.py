"""Ways to write a flag or a verb that click does not know: Go's booleans, and words that are nearly right."""

from collections.abc import Iterable
from difflib import get_close_matches

import click

_YES, _NO = ("1", "t", "true"), ("0", "f", "false")


def booleans(command: click.Command, args: list[str]) -> list[str]:
    """`--overwrite=true` and `--wait=false`, as kubectl and istioctl take them -> `--overwrite`, `--no-wait`."""
    flags = {name: option for option in command.params if _is_switch(option) for name in option.opts}
    end = args.index("--") if "--" in args else len(args)
    plain = (_plain(flags, arg) for arg in args[:end])
    return [arg for arg in plain if arg is not None] + args[end:]


def values(command: click.Command, args: list[str]) -> list[str]:
    """`-o=json`, as kubectl takes it -> `-ojson`."""
    short = {name for option in command.params if not _is_switch(option) for name in option.opts if len(name) == 2}
    end = args.index("--") if "--" in args else len(args)
    return [arg.replace("=", "", 1) if arg[:2] in short and arg[2:3] == "=" else arg for arg in args[:end]] + args[end:]


def _is_switch(option: click.Parameter) -> bool:
    return isinstance(option, click.Option) and option.is_flag


def _plain(flags: dict[str, click.Parameter], arg: str) -> str | None:
    """None for a flag that is not set."""
    name, equals, value = arg.partition("=")
    if not equals or name not in flags or value.lower() not in (*_YES, *_NO):
        return arg
    if value.lower() in _YES:
        return name
    return next(iter(flags[name].secondary_opts), None)


def near(word: str, paths: Iterable[str]) -> list[str]:
    """Verbs that were meant by `word`: those in which it is a word, else those like it. `paths` as typed: `tag set`."""
    known = list(paths)
    same = [path for path in known if word in path.split()]
    return same or get_close_matches(word, dict.fromkeys([*known, *(path.split()[0] for path in known)]), n=2)
