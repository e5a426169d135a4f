import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import DataElement, Dataset, dcmread
from tests.cli.record.taken import Taken, capturing, records
from tests.cli.scu.peer import call

from hilum.backends.dimse import echo as echoing
from hilum.cli.record.disguise import KEPT
from hilum.cli.record.events import Record, read
from hilum.cli.record.middle import Middle
from hilum.config.load import load
from hilum.upper_layer.requestor import Remote, associate


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    with records(tmp_path_factory.mktemp("captured")) as found:
        yield found


_UNFIT = {"SQ", "US", "SS", "UL", "SL", "FL", "FD", "AT", "DA", "DT"}
"""A number or a day may be that of something else by chance; tests/cli/record looks at them."""
MADE = re.compile(r"1\.2\.840\.10008[\d.]*|2\.25\.\d+|X[0-9A-F]{1,10}|\"at\":[\d.]+")
"""What is random, or of the standard."""


def values(dataset: Dataset, *, kept: bool) -> Iterator[str]:
    """Every value that may stay, or may not, if it is long enough to be found by looking."""
    element: DataElement
    for element in dataset.iterall():
        if element.VR in _UNFIT or element.value is None:
            continue
        if isinstance(element.value, bytes) or (element.tag in KEPT) is not kept:
            continue
        for each in element.value if element.VM > 1 else [element.value]:
            text = str(each).strip()
            if len(text) > 5 and not text.startswith("1.2.840.10008.") and text.strip("0."):
                yield text


def test_nothing_of_a_patient_is_in_a_record(taken: Taken) -> None:
    whole = [dcmread(file) for file in taken.files]
    stays = {each for one in whole for each in values(one, kept=True)}
    goes = {each for one in whole for each in values(one, kept=False)}
    goes = {each for each in goes if not any(each in other for other in stays)}
    assert len(goes) > 50
    for path in (taken.dimse, taken.web):
        text = MADE.sub("", path.read_text(encoding="utf-8"))
        assert sorted(each for each in goes if each in text) == []
        assert "very-secret" not in text
        assert text.isascii()


def test_a_record_tells_what_was_said(taken: Taken) -> None:
    kinds = [each.kind for each in read(taken.dimse)]
    assert kinds.count("A-ASSOCIATE-RQ") == kinds.count("A-RELEASE-RP") >= 3
    assert not {"broken", "unheard", "unreachable"} & set(kinds)
    stored = [
        each.held
        for each in read(taken.dimse)
        if each.kind == "message" and each.held["command"]["command_field"] == 1
    ]
    assert all("data" in each for each in stored)
    asked = [each.held for each in read(taken.web) if each.kind == "request"]
    assert [each["method"] for each in asked] == ["GET", "GET", "GET", "POST"]
    assert asked[0]["headers"]["authorization"] == "(removed)"
    assert re.search(r"PatientID=X[0-9A-F]{10}", asked[0]["target"])
    answers = [each.held for each in read(taken.web) if each.kind == "response"]
    assert [each["status"] for each in answers] == [200, 200, 200, 200]
    assert answers[2]["body"]["parts"]


def test_what_is_in_tls_is_said_to_be_unheard(tmp_path: Path, taken: Taken) -> None:
    port = load(taken.config, {}).http.port
    record = tmp_path / "tls.jsonl"
    with capturing(record, f"127.0.0.1:{port}") as at, pytest.raises(httpx.HTTPError):
        httpx.get(f"https://127.0.0.1:{at}/", verify=False, trust_env=False)  # noqa: S501 - nobody is there
    assert read(record)[0].kind == "unheard"


def test_it_ends_by_itself_after_so_many_connections(tmp_path: Path, taken: Taken) -> None:
    place = f"127.0.0.1:{load(taken.config, {}).dimse.port}"
    record = tmp_path / "one.jsonl"

    async def both() -> None:
        middle = Middle(kept, ("127.0.0.1", load(taken.config, {}).dimse.port), 1)
        server = await asyncio.start_server(middle.take, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            remote = Remote(host="127.0.0.1", port=port, called="HILUM", calling="VIEWER")
            async with associate(remote, [echoing.CONTEXT]) as association:
                await echoing.echo(association)
            await middle.done.wait()

    kept = Record(record)
    asyncio.run(both())
    kept.close()
    assert [each.kind for each in read(record)].count("message") == 2
    code, out, _ = call("replay", str(record), place)
    assert (code, "2 played, 0 differ" in out) == (0, True)


def test_a_file_that_is_there_and_a_place_that_is_none_are_refused(tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.write_text("mine")
    words = ["--listen", "0", "--output", str(record), "--json"]
    assert call("capture", *words, "--to", "127.0.0.1:1")[0] == 1
    assert call("capture", *words, "--to", "nowhere")[0] == 2
    assert record.read_text() == "mine"


def replayed(record: Path, taken: Taken, door: str) -> tuple[int, list[dict[str, Any]]]:
    code, out, err = call("replay", str(record), door, "--config", str(taken.config), "--json")
    assert out, err
    return code, json.loads(out)["requests"]


def test_a_record_that_is_played_again_is_answered_alike(taken: Taken) -> None:
    code, played = replayed(taken.dimse, taken, "dimse")
    assert [each for each in played if each["same"] is False] == []
    assert code == 0
    assert {"C-STORE", "C-FIND", "C-GET"} <= {each["what"] for each in played}
    assert any(each["now"].get("brought") for each in played)
    _, played = replayed(taken.web, taken, "http")
    assert [each["what"].partition(" ")[0] for each in played] == ["GET", "GET", "GET", "POST"]
    assert played[-1]["same"]  # what is fetched before was never stored under its new UIDs


def test_what_is_answered_otherwise_is_told(taken: Taken, tmp_path: Path) -> None:
    lines = taken.dimse.read_text(encoding="utf-8").splitlines()
    changed = tmp_path / "changed.jsonl"
    last = max(at for at, line in enumerate(lines) if '"completed":' in line)
    lines[last] = lines[last].replace('"completed":', '"completed":9')
    changed.write_text("\n".join(lines), encoding="utf-8")
    code, played = replayed(changed, taken, "dimse")
    assert code == 1
    (differs,) = [each for each in played if each["same"] is False]
    assert differs["what"] == "C-GET"
    assert differs["then"]["completed"] > differs["now"]["completed"]


def test_a_wrong_record_and_a_broker_that_is_away_have_their_exit_codes(
    taken: Taken, tmp_path: Path
) -> None:
    assert call("replay", str(tmp_path / "none"), "127.0.0.1:1")[0] == 2
    assert call("replay", str(taken.config), "127.0.0.1:1")[0] == 2
    assert call("replay", str(taken.dimse), "127.0.0.1:1")[0] == 3
    assert call("replay", str(taken.web), "127.0.0.1:1")[0] == 3
