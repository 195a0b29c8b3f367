"""A request and an answer of the HTTP face, as values: what `server` reads and writes, and `api` thinks in."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
import yaml

from pilotage_memory.errors import ApiError, PageNotFound, refusal, unsupported
from pilotage_memory.kinds import Obj

JSON: Final = "application/json"
_METADATA: Final = ("PartialObjectMetadata", "PartialObjectMetadataList")


class Request(NamedTuple):
    """`headers` by lower-case name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def words(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        return f"{self.method} {self.path}" + (f"?{query}" if query else "")

    @property
    def manager(self) -> str:
        """As given, else the first word of the client's name."""
        return self.query.get("fieldManager") or self.headers.get("user-agent", "").partition("/")[0] or "unknown"

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"

    @property
    def content(self) -> str:
        return self.headers.get("content-type", JSON).partition(";")[0].strip()

    def flag(self, name: str) -> bool:
        return self.query.get(name) in ("1", "true")

    def document(self) -> Obj:
        """The body as an object. Raises BadRequest."""
        try:
            yaml_like = self.content.endswith("yaml") and not self.body.lstrip().startswith(b"{")
            value: Any = yaml.safe_load(self.body) if yaml_like else msgspec.json.decode(self.body)
        except (msgspec.DecodeError, yaml.YAMLError) as error:
            raise refusal("BadRequest", f"the body cannot be read: {error}") from None
        if not isinstance(value, dict):
            raise refusal("BadRequest", "the body is no object")
        return value

    def only(self, *known: str) -> None:
        """Raises NotImplemented for a parameter that would be ignored."""
        for name in self.query:
            if name not in (*known, "timeout", "pretty"):
                raise unsupported(f"parameter {name} of {self.words}")

    def wants_metadata(self) -> bool:
        """By Accept: metadata only? Raises NotImplemented where nothing that is accepted can be made here."""
        for accepted in self.headers.get("accept", JSON).split(","):
            kind, *options = (part.strip() for part in accepted.split(";"))
            form = next((option.removeprefix("as=") for option in options if option.startswith("as=")), "")
            if kind in (JSON, "*/*", "application/*") and form in ("", *_METADATA):
                return form != ""
        raise unsupported(f"an answer as {self.headers.get('accept')}")


class Response(NamedTuple):
    """`stream`: pieces that are sent as they come, instead of the body. `takeover` gets the connection itself."""

    status: int = 200
    body: bytes = b""
    stream: Iterator[bytes] | None = None
    takeover: Callable[[Any], None] | None = None
    content: str = JSON


def answer(value: Obj, status: int = 200) -> Response:
    return Response(status, msgspec.json.encode(value))


def failure(error: ApiError) -> Response:
    if isinstance(error, PageNotFound):
        return Response(error.status, f"{error.message}\n".encode(), content="text/plain; charset=utf-8")
    return answer(error.body(), error.status)
