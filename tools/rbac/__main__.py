"""`python -m tools.rbac`: see the package."""

import sys
from pathlib import Path

from pilotage.domain.version import Version
from pilotage.edge.catalog import packaged_catalog
from tools.generate import main as generate
from tools.rbac import __doc__ as usage
from tools.rbac.calls import read
from tools.rbac.charts import granted
from tools.rbac.check import faults
from tools.rbac.files import GRANTED, SEEN, granted_text, load_seen, seen_text


def collect(folder: Path) -> None:
    """Adds; a call that is no longer made is taken out by hand when `check` names its rule."""
    seen = {verb: set(calls) for verb, calls in load_seen().items()} if SEEN.exists() else {}
    for verb, calls in read(folder).items():
        seen.setdefault(verb, set()).update(calls)
    SEEN.write_text(seen_text(seen))
    generate()


def charts(folder: Path) -> None:
    """`folder` as `pilotage-sandbox assets` names it. Charts of a checkout name no version: any renders the same."""
    newest = packaged_catalog().minors[0].minor
    GRANTED.write_text(granted_text(granted(folder, Version(*newest))))
    generate()


def check(folder: Path) -> None:
    """Exit code 1 where roles and calls differ."""
    found = list(faults(read(folder)))
    for fault in found:
        print(fault, file=sys.stderr)
    raise SystemExit(1 if found else 0)


_COMMANDS = {"collect": collect, "charts": charts, "check": check}


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in _COMMANDS or not Path(sys.argv[2]).is_dir():
        raise SystemExit(usage)
    _COMMANDS[sys.argv[1]](Path(sys.argv[2]))


if __name__ == "__main__":
    main()
