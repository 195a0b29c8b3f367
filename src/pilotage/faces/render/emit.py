"""One answer in the format that was asked for. Documents keep the order of their keys; docs/output.md lists them."""

from collections.abc import Callable, Sequence
from typing import Any

import click
import msgspec


def emit(output: str, document: Any, lines: Callable[[], Sequence[str]]) -> None:
    """`document`: Structs or builtins, for json and yaml. `lines`: the same for people, made only when wanted."""
    if output == "json":
        click.echo(json_text(document))
    elif output == "yaml":
        click.echo(yaml_text(document), nl=False)
    else:
        for line in lines():
            click.echo(line)


def json_text(document: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def yaml_text(document: Any) -> str:
    import yaml

    return yaml.safe_dump(msgspec.to_builtins(document), sort_keys=False, allow_unicode=True)


def yaml_documents(documents: Sequence[Any]) -> str:
    """Objects for `kubectl apply -f -`."""
    return "---\n".join(yaml_text(document) for document in documents)
