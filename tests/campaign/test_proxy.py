"""The proxy: whatever the weather, it does exactly that and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from faults.commits import CommitWatch, Scissors
from faults.proxy import HOST, Proxy
from tests.support.databases import created


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def proxy(echo: int) -> AsyncIterator[Proxy]:
    made = Proxy("echo")
    await made.open()
    made.upstream = echo
    yield made
    await made.close()


async def talk(proxy: Proxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(HOST, proxy.port)


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, what: bytes, within: float = 2) -> bytes:
    writer.write(what)
    return await asyncio.wait_for(reader.readexactly(len(what)), within)


async def test_clear_weather_passes_everything(proxy: Proxy) -> None:
    reader, writer = await talk(proxy)
    much = bytes(range(256)) * 4096
    assert await said(reader, writer, much, 10) == much
    assert proxy.passed == 2 * len(much)
    writer.close()


async def test_latency_delays_each_way(proxy: Proxy) -> None:
    reader, writer = await talk(proxy)
    await said(reader, writer, b"x")
    proxy.make("latency", 100)
    began = time.monotonic()
    assert await said(reader, writer, b"hello") == b"hello"
    assert 0.2 <= time.monotonic() - began < 1.5
    writer.close()


async def test_a_black_hole_keeps_everything_until_it_is_healed(proxy: Proxy) -> None:
    reader, writer = await talk(proxy)
    await said(reader, writer, b"x")
    proxy.make("blackhole")
    with pytest.raises(TimeoutError):
        await said(reader, writer, b"hello", 0.2)
    other_reader, other_writer = await talk(proxy)
    with pytest.raises(TimeoutError):
        await said(other_reader, other_writer, b"hello", 0.2)
    proxy.heal()
    assert await asyncio.wait_for(reader.readexactly(5), 2) == b"hello"
    assert await asyncio.wait_for(other_reader.readexactly(5), 2) == b"hello"
    writer.close()
    other_writer.close()


@pytest.mark.parametrize("weather", ["reset", "refuse"])
async def test_nobody_stays_and_nobody_gets_in(proxy: Proxy, weather: str) -> None:
    reader, writer = await talk(proxy)
    await said(reader, writer, b"x")
    proxy.make(weather)  # type: ignore[arg-type]
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await said(reader, writer, b"hello")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await said(*await talk(proxy), b"hello")
    proxy.heal()
    reader, writer = await talk(proxy)
    assert await said(reader, writer, b"hello") == b"hello"
    writer.close()


async def test_half_closed_the_client_hears_no_more(proxy: Proxy) -> None:
    reader, writer = await talk(proxy)
    await said(reader, writer, b"x")
    proxy.make("half_close")
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.write(b"still heard")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("left", [1, 3, 6, 9])
async def test_the_line_is_cut_after_so_many_bytes(proxy: Proxy, left: int) -> None:
    reader, writer = await talk(proxy)
    await said(reader, writer, b"x")
    proxy.make("cut_after", left)
    writer.write(b"hello")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(5), 2)
    assert proxy.passed == 2 + left


async def test_who_dies_with_answers_unread_is_gone_at_the_other_end_too(proxy: Proxy) -> None:
    reader, writer = await talk(proxy)
    await said(reader, writer, b"x")
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"answers that nobody reads")
    await asyncio.sleep(0.1)
    assert proxy.links == 1
    writer.transport.abort()  # a reset, as the kernel sends it for a killed process with unread answers
    async with asyncio.timeout(2):
        while proxy.links:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


# --- commits ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def direct(postgres: str) -> AsyncIterator[str]:
    async with created(postgres) as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE cut (n int PRIMARY KEY)")
        await connection.close()
        yield dsn


@pytest.fixture
async def line(direct: str) -> AsyncIterator[tuple[Proxy, Scissors, str]]:
    scissors = Scissors()
    made = Proxy("postgres", lambda: CommitWatch(scissors))
    await made.open()
    made.upstream = urlsplit(direct).port
    yield made, scissors, direct.replace(f":{made.upstream}/", f":{made.port}/")
    await made.close()


INSERT = "WITH i AS (INSERT INTO cut VALUES ($1)) SELECT 1"


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize(("side", "stored"), [("before", False), ("after", True)])
async def test_a_commit_is_cut_before_or_after_the_server_has_done_it(
    line: tuple[Proxy, Scissors, str], direct: str, side: str, stored: bool, prepared: bool
) -> None:
    _, scissors, dsn = line
    connection = await asyncpg.connect(dsn)
    if prepared:
        await connection.fetchval(INSERT, 1)
    assert await connection.fetchval("SELECT 7") == 7
    setattr(scissors, side, 1)
    assert await connection.fetchval("SELECT 7") == 7, "a read is no commit"
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await connection.fetchval(INSERT, 2)
    assert scissors.cut == 1
    other = await asyncpg.connect(direct)
    async with asyncio.timeout(5):
        found = await other.fetchval("SELECT count(*) FROM cut WHERE n = 2")
    assert found == int(stored)
    await other.close()
    connection.terminate()


def test_what_passes_in_pieces_is_understood() -> None:
    """As after a network that cuts a message into single bytes."""
    watch = CommitWatch(Scissors(before=1))
    start = b"\x00\x00\x00\x08\x04\xd2\x16\x2f" + b"\x00\x00\x00\x09\x00\x03\x00\x00\x00"
    parse = b"Ps1\x00INSERT INTO cut VALUES (1)\x00\x00\x00"
    bind = b"B\x00s1\x00\x00\x00\x00\x00\x00\x00"
    execute = b"E\x00\x00\x00\x00\x00"

    def framed(message: bytes) -> bytes:
        return message[:1] + (len(message) + 3).to_bytes(4, "big") + message[1:]

    stream = start + framed(parse) + framed(bind) + framed(execute)
    passed = [watch.up(bytes([b])) for b in stream]
    assert passed.index(False) == len(stream) - 1
