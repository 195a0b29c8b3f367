"""Habits of the repository that a linter does not know: generated files, locks, sizes, links, commands in documents."""

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from tools.generate import FINDINGS, ROOT, generated

from pilotage.domain.findings import RULES
from pilotage.faces.cli.main import cli

SECTIONS = ["What it means", "Why it matters", "How to see it", "What to do"]
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "sandbox").rglob("*.py")])
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# Folders that exist on somebody's machine only.
MACHINE_PATH = re.compile(r"(?<![\w.>}])/(?:root|home|work|Users)/(?!istio-proxy)\w+")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / path for path in listed.split("\0") if path and (ROOT / path).is_file()]


@pytest.mark.parametrize(("path", "text"), list(generated()), ids=lambda value: getattr(value, "name", ""))
def test_a_generated_file_is_what_make_generate_would_write(path: Path, text: str) -> None:
    assert path.read_text() == text


@pytest.mark.parametrize("code", RULES)
def test_every_code_has_a_page_with_four_sections_that_say_something(code: str) -> None:
    parts = re.split(r"(?m)^## (.+)\n", (FINDINGS / f"{code}.md").read_text())[1:]
    assert parts[::2] == SECTIONS
    assert all(text.strip() for text in parts[1::2])


def test_every_page_has_a_code() -> None:
    assert {page.stem for page in FINDINGS.glob("*.md")} - {"README"} == set(RULES)


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=name)
def test_a_lock_has_versions_and_hashes_and_names_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "--index" not in text
    entries = re.findall(r"(?m)^[a-z0-9][^\s;]+(?:\s*;[^\\\n]*)? ?(.*)$((?:\n    --hash=.*)*)", text)
    assert entries
    assert all(rest == "\\" and hashes for rest, hashes in entries)


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    found = {name(path): MACHINE_PATH.findall(path.read_text(errors="replace")) for path in tracked()}
    assert not {path: hits for path, hits in found.items() if hits}


def test_modules_are_small_and_say_what_they_are() -> None:
    texts = {name(path): path.read_text() for path in SOURCES}
    assert not {path: len(text.splitlines()) for path, text in texts.items() if len(text.splitlines()) > 250}
    assert not [path for path, text in texts.items() if text.strip() and not ast.get_docstring(ast.parse(text))]


def test_functions_are_small() -> None:
    found = ((path, function) for path in SOURCES for function in functions(ast.parse(path.read_text())))
    assert not {f"{name(path)}: {each.name}": lines(each) for path, each in found if lines(each) > 40}


def functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Itself and all in it. Expressions, which are most of a module, have none."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield from functions(child)


def lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!\w+:|#)([^)#]+)", document.read_text())
    assert not [target for target in targets if not (document.parent / target).exists()]


def test_every_document_is_found_by_links_from_the_readme() -> None:
    found, todo = set(), [ROOT / "README.md"]
    while todo:
        at = todo.pop()
        if at not in found:
            found.add(at)
            texts = [at.read_text()] if at.suffix == ".md" else []
            places = [
                (at.parent / path).resolve() for text in texts for path in re.findall(r"\]\((?!\w+:|#)([^)#]+)", text)
            ]
            todo += [page for place in places for page in (place.glob("*.md") if place.is_dir() else (place,))]
    assert not [name(page) for page in (ROOT / "docs").rglob("*.md") if page not in found]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_verbs_and_flags_in_documents_exist(document: Path) -> None:
    wrong = [f"{line}: {problem}" for line in commands(document.read_text()) if (problem := unknown(line))]
    assert not wrong


def commands(text: str) -> Iterator[str]:
    """Commands of pilotage, from indented or fenced lines and from `code` in a sentence."""
    for line in text.splitlines():
        whole = re.match(r"\s{4,}(?:\$ )?pilotage |(?:\$ )?pilotage ", line)
        for each in [line] if whole else re.findall(r"`([^`]+)`", line):
            plain = each.strip().removeprefix("$ ")
            if plain.startswith("pilotage "):
                yield re.split(r"\s[|#>]|\s\.\.\.|;|&&", plain)[0]


def unknown(line: str) -> str:
    """What of the command does not exist, "" if all does. Values in capitals stand for anything."""
    command: click.Command = cli
    context = click.Context(cli, info_name="pilotage")
    options = _options(command, context)
    words = iter(shlex.split(line)[1:])
    for word in words:
        if word.startswith("-"):
            flag = word.split("=")[0]
            if flag not in options:
                return f"no option {flag} of {command.name}"
            if "=" not in word and not options[flag].is_flag:
                next(words, None)
        elif isinstance(command, click.Group):
            found = command.get_command(context, word)
            if found is None:
                return f"no verb {word}"
            command, context = found, click.Context(found, info_name=word, parent=context)
            options |= _options(command, context)
        elif not any(isinstance(param, click.Argument) for param in command.params):
            return f"{command.name} takes no {word}"
    return ""


def _options(command: click.Command, context: click.Context) -> dict[str, click.Option]:
    found = [param for param in command.get_params(context) if isinstance(param, click.Option)]
    return {flag: option for option in found for flag in (*option.opts, *option.secondary_opts)}


def test_modules_that_the_architecture_names_are_there() -> None:
    now, _, _ = (ROOT / "docs" / "architecture.md").read_text().partition("## Places kept")
    named = re.findall(r"`(?:src/pilotage/)?((?:decide|edge|domain|faces)/\w+)(?:\.py)?`", now)
    assert named
    assert not [each for each in named if not (ROOT / "src" / "pilotage" / f"{each}.py").is_file()]


def test_every_verb_of_the_makefile_is_explained_by_make_help() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"(?m)^\.PHONY: (.+)$", text)
    assert phony
    explained = set(re.findall(r"(?m)^([a-z0-9]+):.*## ", text))
    assert set(phony[1].split()) - explained == {"assets"}  # a step of other verbs


def refusals(path: Path) -> Iterator[str]:
    """Where `path` raises a Refused that names no next command. What the API server refused carries its own words."""
    for node in ast.walk(ast.parse(path.read_text())):
        made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refused"
        if made and not any(word.arg == "fix" for word in node.keywords):  # type: ignore[attr-defined]
            yield f"{name(path)}:{node.lineno}"  # type: ignore[attr-defined]


def test_every_refusal_names_what_to_do_next() -> None:
    silent = [place for path in (ROOT / "src").rglob("*.py") for place in refusals(path) if path.stem != "failures"]
    assert silent == []
