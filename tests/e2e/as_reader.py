"""`pilotage` as pages call it in tests: with the role that the guide names, and no other rights.

Run in place of it, on PATH: `python as_reader.py WORDS...`. Where no cluster is named yet, as the plain command.
"""

import os
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def shim(folder: Path) -> None:
    """Puts it into `folder`, also under the name by which kubectl finds it."""
    folder.mkdir()
    for name in ("pilotage", "kubectl-pilotage"):
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n')
        path.chmod(0o755)


def _environment(words: list[str]) -> dict[str, str]:
    from tools.rbac.verbs import Role, verb_of  # found once this is run as a script, see below

    admin = os.environ.get("KUBECONFIG", "")
    if not admin or not verb_of(words):
        return dict(os.environ)
    own = Path(admin).with_name(f"{Role.FULL}.kubeconfig")
    if not own.exists():
        from harness import sandbox_at  # here: most calls need none of it

        sandbox_at(Path(admin)).environment_as(Role.FULL)
    return os.environ | {"KUBECONFIG": str(own)}


if __name__ == "__main__":
    sys.path[:0] = [str(_ROOT), str(_ROOT / "tests")]
    given = sys.argv[1:]
    os.execve(sys.executable, [sys.executable, "-m", "pilotage", *given], _environment(given))
