"""Tables that ship with the package and never change while it runs. Read by `edge.catalog` and by rules of `decide`."""

from pathlib import Path

_HERE = Path(__file__).parent


def read(name: str) -> bytes:
    """A file beside this one. By its path: `importlib.resources` would be a twentieth of the start-up."""
    return (_HERE / name).read_bytes()
