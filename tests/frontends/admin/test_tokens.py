import re
from pathlib import Path

import pytest
from tests.frontends.admin.asking import browser, send, settings

from hilum.core.broker import Broker
from hilum.core.mounts import Mounts
from hilum.frontends.admin.desk import Desk
from hilum.model.audit import Event
from hilum.model.principal import Right
from hilum.state.state import open_state

pytestmark = pytest.mark.anyio
SETTINGS = settings(mounts={"ARCHIVE": {}, "OTHER": {}})


async def test_a_token_is_made_shown_once_and_revoked_which_the_audit_tells(
    tmp_path: Path,
) -> None:
    told: list[Event] = []
    broker = Broker(Mounts({}, None), audits=told.append)
    async with open_state(tmp_path) as state:
        desk = Desk(settings=lambda: SETTINGS, tokens=state.tokens)
        async with browser(desk, broker=broker) as asking:
            fields = {"name": "CT <1>", "may": ["store", "echo"], "mount": "ARCHIVE"}
            answer = await send(asking, "/tokens", **fields, life="30d")
            found = re.search(r"hilum_[\w-]+", answer.text)
            assert found
            holder = await state.tokens.holder(found[0])
            assert holder is not None
            (grant,) = holder.grants
            assert grant.rights == {Right.STORE, Right.ECHO}
            assert grant.mounts == {"ARCHIVE"}
            (made,) = await state.tokens.every()
            assert made.expires == pytest.approx(made.created + 30 * 86400)
            shown = (await asking.get("/tokens")).text
            assert found[0] not in shown
            assert "CT &lt;1&gt;" in shown
            answer = await send(asking, "/tokens", revoke=made.id)
            assert "is revoked." in (await asking.get(answer.headers["Location"])).text
            assert await state.tokens.holder(found[0]) is None
            assert (await send(asking, "/tokens", revoke="CT <1>")).status_code == 404
    assert [each.why for each in told] == [
        f"issued token {made.id} to CT <1>: echo,store at ARCHIVE",
        f"revoked token {made.id} of CT <1>",
    ]
    assert found[0] not in str(told)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": " "}, "Say who gets it"),
        ({"name": "x" * 65}, "Say who gets it"),
        ({"may": []}, "Mark what it allows"),
        ({"may": "everything"}, "Mark what it allows"),
        ({"mount": []}, "Mark the mounts"),
        ({"mount": "NONE"}, "Mark the mounts"),
        ({"mount": ["*", "ARCHIVE"]}, "Mark every one, or single"),
        ({"life": "soon"}, "Write how long"),
        ({"life": "0s"}, "Write how long"),
    ],
)
async def test_what_is_wrong_with_a_new_one_is_told_and_the_rest_stays(
    tmp_path: Path, wrong: dict[str, object], said: str
) -> None:
    async with open_state(tmp_path) as state:
        desk = Desk(settings=lambda: SETTINGS, tokens=state.tokens)
        async with browser(desk) as asking:
            fields = {"name": "viewer", "may": "query", "mount": "OTHER", **wrong}
            answer = await send(asking, "/tokens", **fields)
            assert answer.status_code == 400
            assert said in answer.text
        assert not await state.tokens.every()
