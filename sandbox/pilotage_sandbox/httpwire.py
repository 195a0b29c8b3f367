"""HTTP/1.1 and HTTP/2 connections for measuring: one request at a time, and told when the other side wants to close.

Called by `traffic`. A general client would hide what is to be counted: it opens new connections and tries again.
Neither kind does: `get` and `lines` raise Broken where no complete answer comes, and `closing` says that the other
side asked for no more requests (`Connection: close`, GOAWAY) or has closed.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from hpack import Decoder, Encoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER = 9  # bytes before each frame
Address = tuple[str, int]


class Broken(Exception):
    """No complete answer; the text is why."""


@dataclass(frozen=True)
class Answer:
    """The head of an answer; header names in lower case."""

    status: int
    headers: dict[str, str]


class Connection(Protocol):
    """One connection, for one request at a time."""

    asked_to_close: bool

    @property
    def closing(self) -> bool:
        """No further request is to be sent here."""

    async def get(self, path: str) -> Answer:
        """One whole answer."""

    def lines(self, path: str) -> AsyncIterator[Answer | bytes]:
        """First the head of an answer, then its body piece by piece as it comes."""

    def close(self) -> None:
        """Close it."""


@dataclass
class Http1:
    """HTTP/1.1, kept alive."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str
    asked_to_close: bool = False

    @property
    def closing(self) -> bool:
        return self.asked_to_close or self.reader.at_eof() or self.writer.is_closing()

    async def get(self, path: str) -> Answer:
        answer = await self._ask(path)
        async for _ in self._body(answer):
            pass
        return answer

    async def lines(self, path: str) -> AsyncIterator[Answer | bytes]:
        answer = await self._ask(path)
        yield answer
        async for piece in self._body(answer):
            yield piece

    def close(self) -> None:
        self.writer.close()

    async def _ask(self, path: str) -> Answer:
        try:
            self.writer.write(f"GET {path} HTTP/1.1\r\nhost: {self.host}\r\n\r\n".encode())
            first, *rest = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(_split(line) for line in rest if line)
            self.asked_to_close |= headers.get("connection", "").lower() == "close"
            return Answer(int(first.split(" ")[1]), headers)
        except (OSError, EOFError, ValueError, IndexError) as error:
            raise Broken(f"no answer: {type(error).__name__}") from error

    async def _body(self, answer: Answer) -> AsyncIterator[bytes]:
        try:
            if "content-length" in answer.headers:
                yield await self.reader.readexactly(int(answer.headers["content-length"]))
                return
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                yield (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readuntil(b"\r\n")
        except (OSError, EOFError, ValueError) as error:
            raise Broken(f"half an answer: {type(error).__name__}") from error


@dataclass
class Http2:
    """HTTP/2 without TLS, by prior knowledge."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str
    asked_to_close: bool = False
    _stream: int = -1
    _encoder: Encoder = field(default_factory=Encoder)
    _decoder: Decoder = field(default_factory=Decoder)

    @property
    def closing(self) -> bool:
        return self.asked_to_close or self.reader.at_eof() or self.writer.is_closing()

    async def get(self, path: str) -> Answer:
        head: Answer | None = None
        async for piece in self.lines(path):
            head = piece if isinstance(piece, Answer) else head
        if head is None:
            raise Broken("an answer without a head")
        return head

    async def lines(self, path: str) -> AsyncIterator[Answer | bytes]:
        self._ask(path)
        while True:
            frame = await self._frame()
            mine = frame.stream_id == self._stream
            if mine and isinstance(frame, RstStreamFrame):
                raise Broken(f"stream reset, code {frame.error_code}")
            if isinstance(frame, GoAwayFrame) and frame.last_stream_id < self._stream:
                raise Broken("refused by GOAWAY")
            if mine and isinstance(frame, HeadersFrame):
                headers = {str(name): str(value) for name, value in self._decoder.decode(frame.data)}
                if ":status" in headers:  # else trailers
                    yield Answer(int(headers[":status"]), headers)
            elif mine and isinstance(frame, DataFrame):
                yield frame.data
            if mine and "END_STREAM" in frame.flags:
                return

    def close(self) -> None:
        self.writer.close()

    def _ask(self, path: str) -> None:
        first = self._stream < 0
        self._stream = 1 if first else self._stream + 2
        head = [(":method", "GET"), (":scheme", "http"), (":authority", self.host), (":path", path)]
        request = HeadersFrame(self._stream, self._encoder.encode(head), flags=["END_HEADERS", "END_STREAM"])
        opening = _PREFACE + SettingsFrame(0).serialize() if first else b""
        self.writer.write(opening + request.serialize())

    async def _frame(self) -> Frame:
        """The next frame, after what every frame asks of the connection."""
        try:
            frame, length = Frame.parse_frame_header(memoryview(await self.reader.readexactly(_HEADER)))
            frame.parse_body(memoryview(await self.reader.readexactly(length)))
        except (OSError, EOFError) as error:
            raise Broken(f"no complete answer: {type(error).__name__}") from error
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.writer.write(SettingsFrame(0, flags=["ACK"]).serialize())
        elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
            self.writer.write(PingFrame(0, frame.opaque_data, flags=["ACK"]).serialize())
        elif isinstance(frame, DataFrame) and length:
            for stream in (0, frame.stream_id):
                self.writer.write(WindowUpdateFrame(stream, window_increment=length).serialize())
        elif isinstance(frame, GoAwayFrame):
            self.asked_to_close = True
        return frame


async def connect(kind: type[Http1] | type[Http2], address: Address, host: str) -> Connection:
    """A new connection. Raises Broken."""
    try:
        reader, writer = await asyncio.open_connection(*address)
    except OSError as error:
        raise Broken(f"no connection: {type(error).__name__}") from error
    return kind(reader, writer, host)


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()
