import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tests.net.repository import repository
from tests.peers import HOST

from hilum.auditing import CannotAudit, open_audit, record, recording
from hilum.config.schema import Settings
from hilum.core.audit import unheard
from hilum.model.audit import Event, Kind
from hilum.model.identity import Level

pytestmark = pytest.mark.anyio
KEYS = MappingProxyType({"00100010": "DOE*", "0020000D": "1.2", "00400275.00400007": "secret"})
QUERY = Event(kind=Kind.QUERY, level=Level.STUDY, keys=KEYS)


def settings(folder: Path, **audit: object) -> Settings:
    return Settings.model_validate({"server": {"data": folder}, "audit": audit})


def lines(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "audit").glob("*.jsonl"))
    return [json.loads(each) for path in files for each in path.read_bytes().splitlines()]


async def test_the_audit_begins_and_ends_with_the_service(tmp_path: Path) -> None:
    async with open_audit(settings(tmp_path)) as audits:
        audits(Event(kind=Kind.DELETED))
    assert [each["event"] for each in lines(tmp_path)] == [
        "application start",
        "study deleted",
        "application stop",
    ]


async def test_others_write_lines_beside_a_service(tmp_path: Path) -> None:
    async with open_audit(settings(tmp_path)):
        record(settings(tmp_path), Event(kind=Kind.CHANGED))
    record(settings(tmp_path, enabled=False), Event(kind=Kind.CHANGED))
    assert [each["event"] for each in lines(tmp_path)] == [
        "application start",
        "user security attributes changed",
        "application stop",
    ]


def test_what_cannot_be_written_beside_a_service_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "audit").touch()
    recording(settings(tmp_path))(Event(kind=Kind.CONFIGURED, why="reload: applied: x"))
    assert "reload: applied: x" in caplog.text


async def test_only_one_of_several_processes_tells_of_the_start(tmp_path: Path) -> None:
    async with open_audit(settings(tmp_path), is_first=False) as audits:
        audits(Event(kind=Kind.DELETED))
    assert [each["event"] for each in lines(tmp_path)] == ["study deleted"]


async def test_what_was_gathered_is_told_at_the_end(tmp_path: Path) -> None:
    async with open_audit(settings(tmp_path)) as audits:
        for _ in range(100):
            audits(Event(kind=Kind.RESTRICTED))
    counts = [each.get("count", 1) for each in lines(tmp_path) if "restricted" in each["event"]]
    assert sum(counts) == 100
    assert len(counts) < 10


async def test_of_a_query_only_uids_are_kept(tmp_path: Path) -> None:
    async with open_audit(settings(tmp_path)) as audits:
        audits(QUERY)
        audits(Event(kind=Kind.BEGUN, patient="4711"))
    _, query, begun, _ = lines(tmp_path)
    assert query["keys"] == {"00100010": "*", "0020000D": "1.2", "00400275.00400007": "*"}
    assert "patient" not in begun


async def test_patients_are_named_where_that_is_wanted(tmp_path: Path) -> None:
    async with open_audit(settings(tmp_path, patients=True)) as audits:
        audits(QUERY)
        audits(Event(kind=Kind.BEGUN, patient="4711"))
    _, query, begun, _ = lines(tmp_path)
    assert query["keys"] == KEYS
    assert begun["patient"] == "4711"


async def test_only_what_is_wanted_is_recorded(tmp_path: Path) -> None:
    async with open_audit(settings(tmp_path, events=("delete",))) as audits:
        audits(QUERY)
        audits(Event(kind=Kind.DELETED))
    assert [each["event"] for each in lines(tmp_path)] == ["study deleted"]


async def test_without_an_audit_nothing_is_written(tmp_path: Path) -> None:
    async with open_audit(settings(tmp_path, enabled=False)) as audits:
        assert audits is unheard
    assert not (tmp_path / "audit").exists()


async def test_what_was_lost_is_told_when_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_audit(settings(tmp_path)) as audits:
        with monkeypatch.context() as patched:
            patched.setattr("hilum.state.journal.os.write", lambda *_: 0)
            audits(Event(kind=Kind.DELETED))
            audits(Event(kind=Kind.DELETED))
        audits(Event(kind=Kind.DELETED))
    text = b"".join(each.read_bytes() for each in (tmp_path / "audit").glob("*.jsonl"))
    assert b'"why":"2 records could not be written"' in text


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "audit").touch()
    with pytest.raises(CannotAudit, match="audit: the audit cannot be written"):
        async with open_audit(settings(tmp_path)):
            pass


async def test_the_end_of_the_service_is_sent_too(tmp_path: Path) -> None:
    with repository() as there:
        async with open_audit(settings(tmp_path, syslog=f"tcp://{HOST}:{there.port}")):
            pass
        said = there.wait_for("Application Activity / Application Stop")
        assert said[0] == "Application Activity / Application Start"


async def test_what_the_service_fails_with_comes_through_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="1"):
        async with open_audit(settings(tmp_path)):
            raise KeyError(1)
