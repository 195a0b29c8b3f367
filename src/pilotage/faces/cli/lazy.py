"""A click group built from the table of verbs: the module of a verb is imported when that verb is called."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

HELP = {"help_option_names": ["-h", "--help"]}


class Verb(NamedTuple):
    """One row: `path` as typed (`tag set`), `target` as `module:command`, `help` as its one line everywhere."""

    path: str
    target: str
    help: str
    aliases: tuple[str, ...] = ()


class Section(NamedTuple):
    title: str
    verbs: tuple[Verb, ...]


class LazyGroup(click.Group):
    """The verbs under `prefix`; words with more below them become groups of the same kind. `groups`: prefix -> help."""

    def __init__(self, sections: Iterable[Section], groups: Mapping[str, str], prefix: str = "", **kwargs: Any) -> None:
        super().__init__(context_settings=HELP, no_args_is_help=True, help=groups[prefix], **kwargs)
        self.sections = tuple(sections)
        self.groups = groups
        self.prefix = prefix

    def _below(self) -> list[Verb]:
        start = f"{self.prefix} " if self.prefix else ""
        return [verb for section in self.sections for verb in section.verbs if verb.path.startswith(start)]

    def _word(self, verb: Verb) -> tuple[str, bool]:
        """The next word of a verb below this group, and whether more words follow."""
        rest = verb.path[len(self.prefix) :].split()
        return rest[0], len(rest) > 1

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002, click's signature
        return list(dict.fromkeys(self._word(verb)[0] for verb in self._below()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        for verb in self._below():
            word, more = self._word(verb)
            if word == cmd_name and more:
                return self._group(cmd_name)
            if cmd_name in (word, *verb.aliases) and not more:
                return _load(verb)
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a word that is no verb is answered with those that may be meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            from pilotage.faces.cli.spelling import near

            start = len(self.prefix)
            meant = " or ".join(map(repr, near(args[0], (verb.path[start:].strip() for verb in self._below()))))
            raise click.UsageError(f"{error.message}{f' Did you mean {meant}?' if meant else ''}", ctx) from None

    def _group(self, word: str) -> "LazyGroup":
        path = f"{self.prefix} {word}".strip()
        params = [param for param in self.params if not param.is_eager]
        return LazyGroup(self.sections, self.groups, path, name=word, params=params)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for section in self.sections:
            rows = [(self._shown(verb), verb.help) for verb in section.verbs if verb in self._below()]
            if rows:
                with formatter.section(section.title if not self.prefix else "Verbs"):
                    formatter.write_dl(rows)

    def _shown(self, verb: Verb) -> str:
        words = verb.path[len(self.prefix) :].strip()
        return ", ".join((words, *verb.aliases)) if self.prefix else words


def _load(verb: Verb) -> click.Command:
    module, _, name = verb.target.partition(":")
    command: click.Command = getattr(import_module(module), name)
    command.name = verb.path.split()[-1]
    command.short_help = verb.help
    command.context_settings = HELP
    return command
