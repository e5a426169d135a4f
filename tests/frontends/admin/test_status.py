import pytest
from tests.frontends.admin.asking import browser, send, settings

from hilum.core.mounts import Mount, Mounts
from hilum.core.operations import Retrieve, Send
from hilum.core.records import Tally
from hilum.core.transactions import Transaction
from hilum.frontends.admin.desk import Desk
from hilum.model.errors import BackendUnavailable
from hilum.model.identity import Ref
from hilum.model.principal import Principal
from hilum.model.sending import Sending, State
from hilum.service.advice import advice
from hilum.service.recent import Line

pytestmark = pytest.mark.anyio

SETTINGS = settings(
    mounts={"ARCHIVE": {}, "PACS": {"backend": "dimse", "aet": "P", "host": "h", "port": 104}},
    peers={"VIEWER": {"aet": "VIEWER", "host": "viewer.example", "port": 104}},
)  # fmt: skip


class Lives:
    async def echo(self) -> None:
        """It lives."""


class Down:
    async def echo(self) -> None:
        raise BackendUnavailable("no connection to <pacs>: refused")


class Full:
    async def measure(self) -> dict[str, float]:
        names = ("studies", "instances", "bytes")
        return {f"hilum_archive_{name}": 1234567.0 for name in names}


MOUNTS = Mounts(
    {
        "ARCHIVE": Mount(name="ARCHIVE", backend="archive", echoes=Lives(), measures=(Full(),)),
        "PACS": Mount(name="PACS", backend="dimse", echoes=Down()),
    },
    "ARCHIVE",
)


async def echo_peer(_name: str) -> float:
    return 0.005


def desk() -> Desk:
    who = Principal("ann")
    ref = Ref(study="1.2.3")
    tally = Tally(Retrieve(mount="PACS", who=who, request_id="R7", refs=(ref,)), count=12)
    tally.size = 5_000_000
    sent = Send(mount="PACS", who=who, request_id="R8", refs=(ref,), destination="VIEWER")
    sending = Sending(state=State.RUNNING, remaining=30, completed=10)
    text = "no connection to pacs:104: refused"
    return Desk(
        settings=lambda: SETTINGS,
        underway=lambda: [tally],
        recent=lambda: [Line(0.0, "ERROR", "backends", text, advice(text), "R9", 3)],
        sends=lambda: [Transaction(uid="2.25.1", operation=sent, resource="", sending=sending)],
        echo_peer=echo_peer,
    )  # fmt: skip


async def test_mounts_and_peers_are_shown_with_their_health_and_what_they_keep() -> None:
    async with browser(desk(), MOUNTS) as asking:
        answer = await asking.get("/")
    assert answer.status_code == 200
    text = answer.text
    assert text.count("● lives") == 2
    assert "no connection to &lt;pacs&gt;: refused" in text
    assert "1,234,567 instances, 1.2 MB" in text
    assert "kept until deleted" in text
    assert "VIEWER@viewer.example:104" in text
    assert "12 instances, 5.0 MB" in text
    assert "10 of 40" in text
    assert "3 times, request R9" in text
    assert "a firewall is between" in text
    assert 'http-equiv="refresh" content="10; url=/"' in text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy + text
    assert "unsafe" not in policy


async def test_a_page_that_is_paused_stays() -> None:
    async with browser(desk(), MOUNTS) as asking:
        text = (await asking.get("/?pause=1")).text
    assert "http-equiv" not in text
    assert "Paused." in text


async def test_the_echo_button_asks_at_once_and_tells() -> None:
    async with browser(desk(), MOUNTS) as asking:
        answer = await send(asking, "/echo", "/", name="peer:VIEWER", pause="1")
        assert (answer.status_code, answer.headers["Location"]) == (
            303,
            "/?echoed=peer%3AVIEWER&pause=1",
        )
        text = (await asking.get(answer.headers["Location"])).text
        assert "it answered in 5.0 ms" in text
        answer = await send(asking, "/echo", "/", name="mount:PACS")
        text = (await asking.get(answer.headers["Location"])).text
        assert "does not live: no connection" in text
        assert (await send(asking, "/echo", "/", name="mount:NONE")).status_code == 400
