import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from hilum.config.load import ConfigError
from hilum.config.mounts import ArchiveMount
from hilum.config.peers import Peer
from hilum.config.schema import (
    DimseSettings,
    FrontendSettings,
    LoggingSettings,
    ServerSettings,
    Settings,
)
from hilum.model import audit
from hilum.model.audit import Event, Kind
from hilum.model.principal import NOBODY, Principal, Proof
from hilum.service import logging as lines
from hilum.service import systemd
from hilum.service.beside import beside
from hilum.service.reloading import LONGEST, CannotChange, Outcome, Reloading

pytestmark = pytest.mark.anyio
OLD = Settings(mounts={"A": ArchiveMount()})


class Serving:
    """What is served; a change of the AE title of a peer called BAD fails."""

    def __init__(self) -> None:
        self.settings = OLD
        self.said: list[str] = []

    async def prepared(self, settings: Settings) -> "Ready":
        if "BAD" in settings.peers:
            raise CannotChange(["peers.BAD: cannot be"])
        if "WORSE" in settings.peers:
            raise RuntimeError
        return Ready(self, settings)


class Ready:
    def __init__(self, of: Serving, settings: Settings) -> None:
        self.of = of
        self.settings = settings

    async def commit(self) -> None:
        self.of.settings = self.settings

    async def drop(self) -> None: ...


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What systemd is told; and the log of the tests stays as it is."""
    said: list[str] = []

    def notify(text: str) -> bool:
        said.append(text)
        return True

    monkeypatch.setattr(systemd, "notify", notify)
    monkeypatch.setattr(lines, "setup", lambda _: None)
    return said


async def reloaded(serving: Serving, load: Callable[[], Settings]) -> Outcome:
    reloading = Reloading(OLD, load)
    reloading.serves(serving.prepared)
    outcome = await reloading.reload()
    assert reloading.settings == serving.settings
    return outcome


def peer(name: str) -> Settings:
    return OLD.model_copy(update={"peers": {name: Peer(aet=name, host="h", port=1)}})


async def test_what_can_be_applied_is_and_the_rest_is_told(
    told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    serving = Serving()
    new = Settings(
        mounts=OLD.mounts, logging=LoggingSettings(level="debug"), dimse=DimseSettings(port=5)
    )
    with caplog.at_level(logging.INFO):
        outcome = await reloaded(serving, lambda: new)
    assert outcome == Outcome(applied=("logging.level",), restart=("dimse.port",))
    assert serving.settings.logging.level == "debug"
    assert serving.settings.dimse.port == OLD.dimse.port
    assert told[0].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert told[1] == "READY=1"
    assert told[2] == "STATUS=reload: applied: logging.level; needs a restart: dimse.port"
    assert "needs a restart: dimse.port" in caplog.text
    assert Outcome.of(outcome.described()) == outcome


async def test_a_bad_file_changes_nothing(
    told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    def load() -> Settings:
        raise ConfigError(["config.toml: mounts.A.defalt: unknown key"])

    serving = Serving()
    outcome = await reloaded(serving, load)
    assert outcome.problems == ("config.toml: mounts.A.defalt: unknown key",)
    assert serving.settings is OLD
    assert "READY=1" in told
    assert "unknown key" in caplog.text


async def test_the_audit_is_told_who_wanted_it_and_what_changed_by_its_name() -> None:
    told: list[Event] = []
    wanted = [peer("GOOD"), peer("BAD")]
    reloading = Reloading(OLD, lambda: wanted.pop(0), told.append)
    reloading.serves(Serving().prepared)
    ann = Principal("ann", Proof.ADMITTED, address="10.0.0.1")
    await reloading.reload(ann)
    await reloading.reload()
    assert [(each.kind, each.who, each.outcome) for each in told] == [
        (Kind.CONFIGURED, ann, audit.Outcome.SUCCESS),
        (Kind.CONFIGURED, NOBODY, audit.Outcome.MINOR),
    ]
    assert told[0].why == "reload: applied: peers.GOOD (added)"
    assert told[1].why.startswith("reload: peers.BAD: cannot be; nothing was changed")
    assert len(Outcome(problems=("x" * 10**4,)).event(ann).why) <= LONGEST + 1


@pytest.mark.parametrize(
    ("name", "problem"), [("BAD", "peers.BAD: cannot be"), ("WORSE", "an unexpected fault")]
)
async def test_what_is_not_to_be_had_changes_nothing(name: str, problem: str) -> None:
    serving = Serving()
    [said] = (await reloaded(serving, lambda: peer(name))).problems
    assert said.startswith(problem)
    assert serving.settings is OLD


async def test_what_is_good_only_after_a_restart_changes_nothing() -> None:
    new = peer("HILUM").model_copy(update={"server": ServerSettings(aet="OTHER")})
    first, second = (await reloaded(Serving(), lambda: new)).problems
    assert first == "peers.HILUM.aet: server.aet has the same AE title"
    assert second == "needs a restart, as these stay as they were: server.aet"


async def test_logins_need_what_is_opened_at_start() -> None:
    old = Settings(mounts=OLD.mounts, frontend=FrontendSettings(mode="dimse"))
    new = old.model_copy(update={"auth": old.auth.model_copy(update={"enabled": True})})
    [problem] = [*Reloading.impossible(old, new)]
    assert problem.startswith("auth.enabled: needs a restart")


async def test_who_asks_before_the_doors_are_open_waits() -> None:
    reloading = Reloading(OLD, lambda: OLD)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(reloading.reload())
        await asyncio.sleep(0.01)
        assert not asking.done()
        reloading.serves(Serving().prepared)
    assert asking.result().is_good


async def test_a_changed_file_of_certificates_is_taken_and_a_bad_one_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hilum.service.reloading.LOOK", 0.01)
    (file := tmp_path / "ca.pem").write_text("one")
    known = Peer(aet="P", host="h", port=1).model_copy(update={"ca_file": file})
    taken: asyncio.Queue[str] = asyncio.Queue()

    async def prepared(settings: Settings) -> Ready:
        assert settings is reloading.settings
        await taken.put(text := file.read_text())
        if text == "bad":
            raise CannotChange(["peers.P.ca_file: is bad"])
        return Ready(Serving(), settings)

    reloading = Reloading(OLD.model_copy(update={"peers": {"P": known}}), lambda: OLD)
    reloading.serves(prepared)
    async with beside(reloading.watch()):
        for text in ("bad", "renewed"):
            found = ""
            while found != text:  # once is not enough before it was looked at first
                (tmp_path / "new").write_text(text)
                (tmp_path / "new").replace(file)
                with contextlib.suppress(TimeoutError):
                    found = await asyncio.wait_for(taken.get(), 1)
    assert "peers.P.ca_file: is bad; the former certificates stay in use" in caplog.text
