import time
from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest
from tests.frontends.admin.asking import browser, send

from hilum.core.broker import Broker
from hilum.core.mounts import Mounts
from hilum.core.queue import Errand, Kept
from hilum.frontends.admin.desk import Desk
from hilum.model.audit import Event

pytestmark = pytest.mark.anyio


class Errands:
    """A queue of three, as far as the page needs one."""

    def __init__(self) -> None:
        errand = Errand(kind="publish", target="ARCHIVE", key="1.2.3")
        usual = Kept(id=7, errand=errand, version=1, attempts=2, created=0, due=time.time() + 90)
        dead = replace(usual, id=8, is_dead=True, reason="422 <no>")
        self.kept = {7: usual, 8: dead, 9: replace(usual, id=9, leased_until=time.time() + 60)}

    async def every(self, *, dead: bool, most: int) -> Sequence[Kept]:
        return [each for each in self.kept.values() if each.is_dead is dead][:most]

    async def retry(self, ids: Collection[int]) -> int:
        for each in ids:
            self.kept[each] = replace(self.kept[each], is_dead=False)
        return len(ids)

    async def drop(self, ids: Collection[int]) -> int:
        return sum(self.kept.pop(each, None) is not None for each in ids)


async def test_errands_are_shown_those_that_are_given_up_first() -> None:
    async with browser(Desk(queue=Errands())) as asking:  # type: ignore[arg-type] # as far as needed
        text = (await asking.get("/queue")).text
    assert text.index("8: publish ARCHIVE") < text.index("7: publish ARCHIVE")
    assert "422 &lt;no&gt;" in text
    assert "in 1 min 30 s" in text or "in 1 min 29 s" in text
    assert all(word in text for word in ("given up", "waiting", "running"))


async def test_errands_are_tried_again_and_dropped_which_the_audit_tells() -> None:
    errands = Errands()
    told: list[Event] = []
    broker = Broker(Mounts({}, None), audits=told.append)
    async with browser(Desk(queue=errands), broker=broker) as asking:  # type: ignore[arg-type] # as above
        answer = await send(asking, "/queue", do="retry-dead")
        assert not errands.kept[8].is_dead
        assert "1 due now." in (await asking.get(answer.headers["Location"])).text
        await send(asking, "/queue", do="drop", id=["7", "9"])
        assert [*errands.kept] == [8]
        await send(asking, "/queue", do="retry", id="8")
        for wrong in ({"do": "drop"}, {"do": "drop", "id": "x"}, {"do": "burn", "id": "8"}):
            assert (await send(asking, "/queue", **wrong)).status_code == 400
    assert [each.why for each in told] == [
        "errands 8: 1 due now",
        "errands 7, 9: 2 dropped",
        "errands 8: 1 due now",
    ]


async def test_without_a_queue_nothing_waits() -> None:
    async with browser(Desk()) as asking:
        assert "Nothing waits" in (await asking.get("/queue")).text
