"""What counts as a failed request and a broken stream, and that the client notices and honours what it is told."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pilotage_sandbox import backend
from pilotage_sandbox.httpwire import Answer, Broken, Http1, connect
from pilotage_sandbox.tally import Tally, table

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def test_a_stream_that_breaks_when_its_gateway_has_drained_is_not_broken() -> None:
    tally = Tally(drain=30)
    tally.left("gone", 100.0)
    tally.left("gone", 120.0)  # seen again: the first time counts
    tally.breaks = [(131.0, "gone", "half an answer"), (110.0, "gone", "half an answer"), (131.0, "stays", "reset")]
    report = tally.report()
    assert (report["streams_drained"], report["streams_broken"]) == (1, 2)
    assert [line.partition(",")[0] for line in report["breaks"]] == ["110.0 s", "131.0 s"]


def test_the_figures_name_every_gateway_and_failure() -> None:
    tally = Tally(drain=0, elapsed=2.0)
    tally.answered("one", 0.2)
    tally.answered("two", 0.004)
    tally.failures.append((1.5, "no answer: IncompleteReadError"))
    report = tally.report()
    assert (report["requests"], report["failed"], report["rate"], report["slowest_ms"]) == (3, 1, 1.5, 200)
    text = "\n".join(table(report))
    assert "one 1, two 1" in text
    assert "1.5 s: no answer: IncompleteReadError" in text


def with_server(serve: Serve, story: Callable[[tuple[str, int]], Awaitable[None]]) -> None:
    """Run `story` against a server on loopback."""

    async def run() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            await story(server.sockets[0].getsockname()[:2])

    asyncio.run(asyncio.wait_for(run(), 30))


def test_answers_of_the_backend_are_whole_and_the_connection_stays() -> None:
    async def story(address: tuple[str, int]) -> None:
        connection = await connect(Http1, address, "x")
        for _ in range(2):
            answer = await connection.get("/")
            assert (answer.status, "x-backend" in answer.headers, connection.closing) == (200, True, False)
        pieces = [piece async for piece in connection.lines("/stream/1")]
        assert isinstance(pieces[0], Answer)
        assert pieces[1:] == [b"tick\n"]
        connection.close()

    with_server(backend._serve, story)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "no answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "half an answer"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\ntick\n\r\n", "half an answer"),
    ],
    ids=["nothing", "half a body", "a stream without end"],
)
def test_an_answer_that_is_not_whole_is_none(said: bytes, words: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async def story(address: tuple[str, int]) -> None:
        connection = await connect(Http1, address, "x")
        with pytest.raises(Broken, match=words):
            await connection.get("/")

    with_server(serve, story)


def test_who_is_asked_to_close_sends_no_further_request() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        await reader.read()

    async def story(address: tuple[str, int]) -> None:
        connection = await connect(Http1, address, "x")
        await connection.get("/")
        assert connection.closing
        connection.close()

    with_server(serve, story)
