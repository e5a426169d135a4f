from pathlib import Path

import pytest
from tests.explaining.told import CONFIG, settings

from hilum.core.explained import Question, Route
from hilum.core.login import OPEN
from hilum.explaining.route import explained
from hilum.model.errors import BadRequest

pytestmark = pytest.mark.anyio


async def told(folder: Path, text: str = CONFIG, **question: object) -> Route:
    asked = Question(**question)  # type: ignore[arg-type]  # of the question
    return await explained(asked, settings(folder, text), OPEN.policy, None)


async def test_a_line_goes_to_a_mount(tmp_path: Path) -> None:
    found = await told(tmp_path, line="/hilum/dicomweb/studies?PatientID=7", who="viewer")
    assert (found.mount, found.operation) == ("PACS", "find")
    assert found.door == "http, at 127.0.0.1 port 8080"
    assert found.allowed == ["VIEWER may query on PACS: there is no [auth]: everybody may"]


async def test_keys_are_a_c_find_at_the_dimse_door(tmp_path: Path) -> None:
    found = await told(tmp_path, keys=("PatientID=7",), level="study", mount="CLOUD")
    assert (found.mount, found.door) == ("CLOUD", "dimse, at 127.0.0.1 port 11112")
    assert found.ways[0].steps[0].sends[0][0].startswith("GET https://cloud.example.org")
    for wrong in (
        {"level": "frame"},
        {"keys": ("Nothing=7",)},
        {"mount": "X", "keys": ("PatientID",)},
    ):
        with pytest.raises(BadRequest):
            await told(tmp_path, **wrong)


async def test_what_the_broker_answers_by_itself_goes_nowhere(tmp_path: Path) -> None:
    assert "says itself" in (await told(tmp_path, line="/aets/PACS")).ways[0].notes[0]
    found = await told(tmp_path, line="/metrics")
    assert (found.mount, found.backend, found.ways[0].steps) == ("", "", [])
    assert found.door == "admin, at 127.0.0.1 port 8081"


async def test_a_door_that_is_not_open_is_told(tmp_path: Path) -> None:
    open_ = CONFIG.replace('retrieve = "move"', "")
    closed = '[frontend]\nmode = "http"\n' + open_.replace("= true", "= false", 1)
    assert (await told(tmp_path, closed, line="/metrics")).notes == [
        "the admin door is not open: admin.enabled is false"
    ]
    (first, *_) = (await told(tmp_path, closed, keys=("PatientID",))).notes
    assert first == "the dimse door is not open: frontend.mode leaves it out"
