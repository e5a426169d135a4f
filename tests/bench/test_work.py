"""How much work is done for one instance, one byte, one request? Counted, as time is not steady.

Who makes one of these grow has made Hilum slower; who makes it shrink lowers the bound.
"""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.backends.archive.opened import archive, find, keep
from tests.backends.dicomweb.served import always, lying, said
from tests.contract.made import Made, made, uid
from tests.net.webserver import ANY, client

from hilum.backends.archive import open_archive, writer
from hilum.backends.dicomweb.parts import Parts
from hilum.codec import part10, pdu
from hilum.codec.multipart import closing, part_head
from hilum.codec.pdu import Fragment, PduReader
from hilum.config.mounts import ArchiveMount, Publish
from hilum.model.identity import Level
from hilum.model.instance import gathering

COUNT = 20
PIXELS = 512 * 512 * 2  # bytes of a usual CT


class Statements:
    """The SQL that all connections run, while this is patched into sqlite3."""

    def __init__(self) -> None:
        self.run: list[str] = []

    def connect(self, real: Any) -> Any:
        def connected(*arguments: Any, **named: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = real(*arguments, **named)
            connection.set_trace_callback(self.run.append)
            return connection

        return connected

    def count(self, word: str) -> int:
        return sum(each.lstrip().upper().startswith(word) for each in self.run)

    @property
    def steps(self) -> list[list[str]]:
        """What was run for each instance, or whatever else can be undone alone.

        Without what is run for all of them, as often as time has it: commits, moving the log.
        """
        found: list[list[str]] = []
        for each in self.run:
            if each.startswith("SAVEPOINT"):
                found.append([])
            if found and not (found[-1] and found[-1][-1].startswith("RELEASE")):
                found[-1].append(each)
        return found


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    found = Statements()
    monkeypatch.setattr(sqlite3, "connect", found.connect(sqlite3.connect))
    monkeypatch.setattr(sqlite3.dbapi2, "connect", sqlite3.connect)
    return found


@pytest.mark.anyio
async def test_a_search_is_two_statements(tmp_path: Path, statements: Statements) -> None:
    async with archive(tmp_path) as opened:
        await keep(opened, *[made(study) for study in range(1, 21)])
        statements.run.clear()
        assert len(await find(opened, Level.STUDY)) == 20
        assert statements.count("SELECT") == 2  # which studies, and a page of them
        statements.run.clear()
        assert len(await find(opened, Level.STUDY, t0020000D=uid(7))) == 1
        assert statements.count("SELECT") <= 2


@pytest.mark.anyio
async def test_instances_share_a_commit(
    tmp_path: Path, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_GATHER", 0.5)  # seconds: also where all of it is slow
    async with archive(tmp_path) as opened:
        await keep(opened, made(1, 1, 1))
        opened._writer.flush()
        statements.run.clear()
        await keep(opened, *[made(1, 1, number) for number in range(2, COUNT + 2)])
        opened._writer.flush()
        assert 0 < statements.count("COMMIT") <= COUNT / 2
        assert len(statements.steps) == COUNT
        # the savepoint and its end, the study, the series, the instance and its description
        assert max(map(len, statements.steps)) <= 6


@pytest.mark.anyio
@pytest.mark.parametrize("is_followed", [False, True])
async def test_a_change_is_one_statement_for_each_study_and_commit(
    tmp_path: Path, statements: Statements, *, is_followed: bool
) -> None:
    publish = Publish(url="http://127.0.0.1:1") if is_followed else None
    async with open_archive(ArchiveMount(publish=publish), tmp_path, "HERE") as opened:
        statements.run.clear()
        await keep(opened, *[made(1, 1, number) for number in range(1, COUNT + 1)])
        opened._writer.flush()
        told = [each for each in statements.run if "INTO changed" in each]
        assert is_followed <= len(told) <= is_followed * statements.count("COMMIT")


@pytest.mark.anyio
async def test_a_new_study_is_few_statements(tmp_path: Path, statements: Statements) -> None:
    async with archive(tmp_path) as opened:
        await keep(opened, made(1, 1, 1))
        opened._writer.flush()
        statements.run.clear()
        await keep(opened, *[made(study, 1, 1) for study in range(2, COUNT + 2)])
        opened._writer.flush()
        assert len(statements.steps) == COUNT
        # two lookups, three rows above it and a dictionary, two of its own, and a savepoint
        assert sum(map(len, statements.steps)) <= 12 * COUNT


def large(number: int) -> Made:
    return made(1, 1, number, Rows=512, Columns=512, PixelData=bytes(PIXELS))


@pytest.mark.anyio
async def test_bytes_of_an_origin_are_hardly_copied() -> None:
    """Where the parts say how long they are: only the beginnings that are looked at."""
    body = b""
    for number in range(1, COUNT + 1):
        each = large(number)
        uids = each.sop_class_uid, each.sop_instance_uid, each.transfer_syntax_uid
        file = part10.encode_meta(*uids) + each.data
        told = {"Content-Type": "application/dicom", "Content-Length": str(len(file))}
        body += part_head("x7", told, first=number == 1) + file
    kind = 'multipart/related; type="application/dicom"; boundary=x7'
    answer = said(200, body + closing("x7"), kind)
    relayed = copied = 0
    async with (
        lying(always(answer)) as liar,
        client(liar.url) as asked,
        asked.get(liar.url, ANY) as got,
    ):
        parts = Parts(got, "the origin server")
        while (instance := await parts.next()) is not None:
            following = gathering(instance.chunks)
            while pieces := await following(1):
                relayed += sum(map(len, pieces))
                copied += sum(len(each) for each in pieces if not _lies_where_it_was_read(each))
    assert relayed > COUNT * PIXELS
    assert copied <= 0.1 * relayed


def _lies_where_it_was_read(piece: object) -> bool:
    """Whether it is a view of a buffer that a connection reads into: what is copied is bytes."""
    return isinstance(piece, memoryview) and isinstance(piece.obj, bytearray)


def test_an_instance_is_as_many_pdus_as_the_peer_makes_of_it() -> None:
    data = large(1).data
    peer = 128 * 1024
    parts = pdu.encode_data(1, data, is_command=False, last=True, size=pdu.fragment_size(peer))
    events = [*PduReader(peer).feed(b"".join(parts))]
    assert len(events) == -(-len(data) // (peer - 6))
    # neither on the way out nor on the way in is anything copied
    assert all(isinstance(each, memoryview) for each in parts[1::2])
    assert all(isinstance(event, Fragment) and type(event.data) is memoryview for event in events)
