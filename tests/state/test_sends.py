from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from hilum.core.operations import Send
from hilum.core.transactions import Transaction
from hilum.model.errors import BackendFault, InUse
from hilum.model.identity import Ref
from hilum.model.principal import Principal, Proof
from hilum.model.sending import Failure, Sending, State
from hilum.state.sends import Sends
from hilum.state.state import open_state

pytestmark = pytest.mark.anyio


def transaction(uid: str, asked: float = 1.0, sending: Sending | None = None) -> Transaction:
    refs = (Ref("1", "2", "3"), Ref(study="4"), Ref(patient="P"))
    return Transaction(
        uid=uid,
        operation=Send(
            mount="A",
            destination="B",
            refs=refs,
            who=Principal("somebody", Proof.ADMITTED),
            request_id="request",
        ),
        resource="studies/1/series",
        sending=sending or Sending(),
        asked=asked,
        changed=asked,
    )


@pytest.fixture
async def sends(tmp_path: Path) -> AsyncIterator[Sends]:
    async with open_state(tmp_path) as state:
        yield state.sends


async def test_a_send_comes_back_as_it_was_kept(sends: Sends) -> None:
    assert await sends.get("9") is None
    kept = transaction("9")
    await sends.add(kept)
    assert await sends.get("9") == kept
    failures = (
        Failure(sop_instance_uid="3", sop_class_uid="1.1", reason=0xA700, comment="full"),
        Failure(sop_instance_uid="4", reason=0x0110),
    )
    for state in State:
        now = Sending(
            state=state,
            remaining=0 if state.is_final else None,
            completed=70_000,
            failed=2,
            warning=1,
            failures=failures,
            comment="full",
        )
        kept = replace(kept, sending=now, changed=2.5)
        await sends.update(kept)
        assert await sends.get("9") == kept


async def test_a_uid_is_kept_once(sends: Sends) -> None:
    await sends.add(transaction("9"))
    with pytest.raises(InUse):
        await sends.add(transaction("9", asked=7.0))
    found = await sends.get("9")
    assert found is not None
    assert found.asked == 1.0


async def test_what_has_not_ended_is_given_in_the_order_of_asking(sends: Sends) -> None:
    for uid, asked, state in [
        ("1", 5.0, State.WAITING),
        ("2", 3.0, State.RUNNING),
        ("3", 1.0, State.ENDED),
        ("4", 5.0, State.WAITING),
        ("5", 2.0, State.STOPPED),
        ("6", 2.0, State.FAILED),
    ]:
        await sends.add(transaction(uid, asked, Sending(state=state)))
    assert [each.uid for each in await sends.unfinished()] == ["2", "1", "4"]


async def test_the_oldest_that_have_ended_are_forgotten(sends: Sends) -> None:
    for number in range(1, 10):
        state = State.RUNNING if number == 2 else State.ENDED
        await sends.add(transaction(str(number), float(number), Sending(state=state)))

    async def left() -> str:
        return "".join([str(n) for n in range(1, 10) if await sends.get(str(n)) is not None])

    await sends.forget(0.0, 100)
    assert await left() == "123456789"
    await sends.forget(3.0, 100)
    assert await left() == "2456789"
    await sends.forget(0.0, 4)
    assert await left() == "26789"
    await sends.forget(100.0, 100)
    assert await left() == "2"


async def test_a_database_that_fails_is_told_in_our_words(sends: Sends) -> None:
    with sends._engine.begin() as session:
        session.exec_driver_sql("DROP TABLE send")
    with pytest.raises(BackendFault, match="database fails"):
        await sends.get("9")
    with pytest.raises(BackendFault, match="database fails"):
        await sends.add(transaction("9"))
