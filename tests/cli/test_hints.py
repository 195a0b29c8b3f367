"""Commands that findings, errors and pages tell people to run are commands there are, with flags they have."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pilotage.faces.cli.lazy import Verb
from pilotage.faces.cli.main import SECTIONS, cli

ROOT = Path(__file__).parents[2]
HINT = re.compile(r"(?<![\w/.-])(?:kubectl )?pilotage ((?:[a-z][a-z-]*)(?: [^\"'`\n|#;]*)?)")


def hints() -> Iterator[tuple[str, str]]:
    for file in (*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"):
        for found in HINT.finditer(file.read_text() if file.exists() else ""):
            yield f"{file.relative_to(ROOT)}: {found[0]}", found[1]


def command_of(words: list[str]) -> click.Command | None:
    """The verb that the words begin with; None where they are prose, as in "pilotage installs"."""
    here: click.Command = cli
    context = click.Context(cli)
    while isinstance(here, click.Group):
        below = here.get_command(context, words[0]) if words else None
        if below is None:
            return None
        here, words = below, words[1:]
    return here


@pytest.mark.parametrize("hint", [pytest.param(text, id=place) for place, text in hints() if "--" in text])
def test_a_hint_names_a_verb_and_flags_that_exist(hint: str) -> None:
    words = re.split(r"[\s,()\[\]]+", re.split(r"&&|, or | or pilotage|, then|, and |\)", hint)[0])
    command = command_of(words)
    assert command is not None, hint
    known = {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)} | {"--help"}
    given = {word.split("=")[0] for word in words if word.startswith("--") and len(word) > 2}
    assert given <= known, hint


@pytest.mark.parametrize("verb", [verb for section in SECTIONS for verb in section.verbs], ids=lambda verb: verb.path)
def test_every_verb_of_the_table_loads_and_explains_itself(verb: Verb) -> None:
    command = command_of(verb.path.split())
    assert command is not None
    assert command.help
    assert command.get_short_help_str() == verb.help
    for alias in verb.aliases:
        assert command_of([*verb.path.split()[:-1], alias]) is command


def test_every_option_of_every_verb_says_what_it_is_for() -> None:
    for verb in (verb for section in SECTIONS for verb in section.verbs):
        command = command_of(verb.path.split())
        assert command is not None
        lines = command.get_help(click.Context(command, info_name=verb.path)).splitlines()
        begin = lines.index("Options:") + 1 if "Options:" in lines else len(lines)
        following = [*lines[begin + 1 :], ""]
        bare = [line for line, after in zip(lines[begin:], following, strict=False) if bare_option(line, after)]
        assert not bare, verb.path


def bare_option(line: str, after: str) -> bool:
    """A name with nothing beside it, nor below."""
    return re.fullmatch(r"  \S.*", line) is not None and "  " not in line.strip() and not after.startswith(" " * 10)
