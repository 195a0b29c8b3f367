"""Makes src/pilotage/data/catalog.json from catalog.yaml. Run after every edit: a test compares the two."""

from pathlib import Path

import msgspec

from pilotage.decide.catalog import parse_catalog

DATA = Path(__file__).parents[1] / "src" / "pilotage" / "data"


def main() -> None:
    catalog = parse_catalog((DATA / "catalog.yaml").read_text(encoding="utf-8"), "packaged")
    (DATA / "catalog.json").write_bytes(msgspec.json.format(msgspec.json.encode(catalog), indent=1) + b"\n")


if __name__ == "__main__":
    main()
