from dataclasses import replace

import pytest
from tests.frontends.admin.asking import browser, send, settings

from hilum.core.broker import Broker
from hilum.core.explained import Asking, Question, Route, Way
from hilum.core.mounts import Mounts
from hilum.core.policy import Policy
from hilum.frontends.admin.desk import Desk
from hilum.model.audit import Event, Kind
from hilum.model.errors import BadQuery

pytestmark = pytest.mark.anyio
SETTINGS = settings(mounts={"ARCHIVE": {}, "PACS": {"default": True}})


class Explains:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    async def __call__(self, question: Question, _policy: Policy) -> Route:
        self.asked.append(question)
        if question.line == "bad":
            raise BadQuery("<no> such thing")
        step = Asking("STUDY", "asked as it is", [["C-FIND to X", "PatientName = <A*>"]], ["b = c"])
        ways = [Way("", [step], ["noted"]), Way("elsewhere", refused="not there")]
        return Route(question.line, "find", "http", "PACS", "dimse: X", ways, ["n"], ["by a rule"])


def desk(explains: Explains) -> Desk:
    return replace(Desk(settings=lambda: SETTINGS), explain=explains)


async def test_a_line_is_explained_and_stays_in_the_form() -> None:
    explains = Explains()
    async with browser(desk(explains)) as asking:
        line = "GET /aets/PACS/studies?PatientName=<A*>"
        text = (await send(asking, "/explain", by="line", line=f" {line}", who="ann")).text
    assert explains.asked == [Question(line=line, who="ann")]
    for each in (
        "dimse: X",
        "by a rule",
        "C-FIND to X\nPatientName = &lt;A*&gt;",
        "b = c",
        "noted",
    ):
        assert each in text
    assert "Refused: not there" in text
    assert 'value="GET /aets/PACS/studies?PatientName=&lt;A*&gt;"' in text
    assert "<A*>" not in text


async def test_a_c_find_is_explained() -> None:
    explains = Explains()
    async with browser(desk(explains)) as asking:
        assert "<option selected>PACS</option>" in (await asking.get("/explain")).text
        keys = "PatientName=A*\r\n\r\nStudyDate"
        said = {"by": "keys", "keys": keys, "level": "series", "mount": "ARCHIVE", "line": "x"}
        text = (await send(asking, "/explain", **said)).text
    wanted = Question(keys=("PatientName=A*", "StudyDate"), level="series", mount="ARCHIVE")
    assert explains.asked == [wanted]
    assert "<option selected>ARCHIVE</option>" in text
    assert "<option selected>series</option>" in text


async def test_what_would_be_refused_is_told_and_the_audit_has_no_request() -> None:
    told: list[Event] = []
    broker = Broker(Mounts({}, None), audits=told.append)
    async with browser(desk(Explains()), broker=broker) as asking:
        answer = await send(asking, "/explain", by="line", line="bad")
        assert answer.status_code == 400
        assert "&lt;no&gt; such thing" in answer.text
        assert (await send(asking, "/explain", by="line", line=" ")).status_code == 400
        await send(asking, "/explain", by="line", line="GET /x?PatientName=Doe")
        nobody = replace(Desk(), settings=lambda: SETTINGS)
    assert [(each.kind, each.mount) for each in told] == [
        (Kind.RESTRICTED, ""),
        (Kind.RESTRICTED, "PACS"),
    ]
    assert "Doe" not in repr(told)
    async with browser(nobody) as asking:
        assert "nobody can explain" in (await send(asking, "/explain", line="x")).text
