from dataclasses import replace
from pathlib import Path

import pytest

from hilum.core.fhir.subscriptions import Subscription
from hilum.model.principal import Grant, Principal, Proof, Right
from hilum.state.state import open_state

pytestmark = pytest.mark.anyio
OWNER = Principal(
    "eve",
    Proof.TOKEN,
    address="10.0.0.1",
    claims={"realm": {"roles": ["clerk"]}},
    grants=(Grant(frozenset({Right.QUERY, Right.SUBSCRIBE}), frozenset({"ONE"})),),
)
MADE = Subscription(
    id="1",
    mount="ONE",
    root="http://localhost/fhir",
    status="requested",
    owner=OWNER,
    said={"criteria": "ImagingStudy", "channel": {"endpoint": "http://x", "type": "rest-hook"}},
    headers=("Authorization: s3cr3t",),
    changed=17.5,
)


async def test_they_outlive_a_restart_with_all_that_is_known_of_them(tmp_path: Path) -> None:
    async with open_state(tmp_path) as state:
        assert await state.subscriptions.add(MADE, most=1)
        assert not await state.subscriptions.add(replace(MADE, id="2"), most=1)
        assert await state.subscriptions.add(replace(MADE, id="2", mount="TWO"), most=1)
    async with open_state(tmp_path) as state:
        kept = state.subscriptions
        found = await kept.one("1")
        assert found == MADE
        assert found.owner.claims == OWNER.claims
        assert "s3cr3t" not in repr(found)
        assert [each.id for each in await kept.of("TWO")] == ["2"]
        await kept.remove("1")
        assert await kept.one("1") is None


async def test_who_saw_another_version_changes_nothing(tmp_path: Path) -> None:
    async with open_state(tmp_path) as state:
        kept = state.subscriptions
        await kept.add(MADE, most=9)
        assert await kept.become(replace(MADE, status="active"))
        assert not await kept.become(replace(MADE, status="off"))
        assert await kept.one("1") == replace(MADE, status="active", version=2)


async def test_what_was_seen_is_of_its_mount(tmp_path: Path) -> None:
    async with open_state(tmp_path) as state:
        seen = state.subscriptions
        await seen.see("ONE", {"a": "1", "b": "1"}, [])
        await seen.see("TWO", {"a": "7"}, [])
        await seen.see("ONE", {"a": "2"}, ["b"])
        assert await seen.seen("ONE") == {"a": "2"}
        assert await seen.seen("TWO") == {"a": "7"}
