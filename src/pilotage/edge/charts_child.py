"""The process in which Helm's engine lives, for it takes much memory. It ends with its standard input.

Started by `engine` as `python -m pilotage.edge.charts_child`. A line on stdin is a request, its answer one on stdout:
`{"path", "name", "namespace", "values"}` answers `{"objects": [...]}`;
`{"pull", "version", "destination", "plain_http"}` answers `{"objects": []}`; a failure answers `{"error": "..."}`.
"""

import sys
from contextlib import suppress
from typing import Any

import helm_python
import msgspec
import yaml

from pilotage.domain.objects import Obj
from pilotage.edge.manifests import parse


def _pull(request: dict[str, Any]) -> list[Obj]:
    helm_python.pull(
        request["pull"],
        version=request["version"],
        destination=request["destination"],
        plain_http=request["plain_http"],
    )
    return []


def _render(request: dict[str, Any]) -> list[Obj]:
    with helm_python.Chart.load(request["path"]) as chart:
        rendered = chart.render(request["values"], name=request["name"], namespace=request["namespace"])
        texts = {crd["filename"]: crd["data"] for crd in chart.crds}
    texts |= {path: text for path, text in rendered.items() if path.endswith((".yaml", ".yml", ".json"))}
    objects = []
    for path, text in texts.items():
        try:
            objects += parse(text)
        except (yaml.YAMLError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error
    return objects


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"objects": _pull(request) if "pull" in request else _render(request)}
    except (helm_python.HelmError, ValueError, OSError) as error:
        return {"error": str(error)}


def _serve() -> None:
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(msgspec.json.encode(_answer(msgspec.json.decode(line))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, BrokenPipeError):  # of whoever asked, who says so
        _serve()
