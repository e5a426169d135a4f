import os
import socket
from pathlib import Path

import pytest

from hilum.backends.archive.lock import Lock
from hilum.config.mounts import ArchiveMount, DimseMount
from hilum.config.schema import (
    DimseSettings,
    FrontendSettings,
    HttpSettings,
    ServerSettings,
    Settings,
)
from hilum.service import checks

PACS = DimseMount(backend="dimse", aet="PACS", host="127.0.0.1", port=104)


def with_ports(bind: str, port: int) -> Settings:
    return Settings(
        dimse=DimseSettings(bind=bind, port=port), http=HttpSettings(bind="127.0.0.1", port=0)
    )


def test_free_ports_are_nothing_to_speak_of() -> None:
    assert not list(checks.ports(with_ports("127.0.0.1", 0)))


def test_a_taken_port_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        [problem] = checks.ports(with_ports("127.0.0.1", port))
    assert problem == (f"dimse.port: 127.0.0.1 port {port} is taken; does a broker run already?")


def test_the_port_of_a_closed_door_does_not_matter() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = with_ports("127.0.0.1", port)
        closed = settings.model_copy(update={"frontend": type(settings.frontend)(mode="http")})
        assert not list(checks.ports(closed))


def test_an_address_of_another_machine_is_named() -> None:
    [problem] = checks.ports(with_ports("192.0.2.1", 0))
    assert problem == "dimse.bind: 192.0.2.1 is no address of this machine"


def test_a_name_without_address_is_named() -> None:
    [problem] = checks.ports(with_ports("nowhere.invalid", 0))
    assert problem == "dimse.bind: nowhere.invalid has no address"


def test_a_folder_that_can_be_made_is_nothing_to_speak_of(tmp_path: Path) -> None:
    settings = Settings(
        server=ServerSettings(data=tmp_path / "a" / "b"), mounts={"ARCHIVE": ArchiveMount()}
    )
    assert not list(checks.folders(settings))
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    settings = Settings(
        server=ServerSettings(data=tmp_path / "data"), mounts={"ARCHIVE": ArchiveMount()}
    )
    assert list(checks.folders(settings)) == [f"server.data: {tmp_path}/data is not a folder"]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that nobody can write")
def test_a_folder_that_cannot_be_written_is_named() -> None:
    mounts = {"ARCHIVE": ArchiveMount(path=Path("/proc/hilum"))}
    [problem] = checks.folders(Settings(mounts=mounts))
    assert problem.startswith("mounts.ARCHIVE.path: /proc cannot be written: ")


def test_an_archive_that_another_process_uses_is_named(tmp_path: Path) -> None:
    settings = Settings(mounts={"A": ArchiveMount(path=tmp_path)})
    lock = Lock(tmp_path)
    [problem] = checks.folders(settings)
    assert problem.startswith(f"mounts.A.path: {tmp_path} is used by another process")
    lock.release()
    assert not list(checks.folders(settings))


def test_too_little_space_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    monkeypatch.setattr(checks, "ENOUGH", free * 2)
    settings = Settings(
        server=ServerSettings(data=tmp_path),
        mounts={"A": ArchiveMount(path=tmp_path), "B": ArchiveMount(), "PACS": PACS},
    )
    problems = list(checks.folders(settings))
    assert [each.partition(": only ")[0] for each in problems] == ["mounts.A.path", "server.data"]


@pytest.mark.parametrize("name", ["state", "spool", "spill"])
def test_the_folders_beside_the_archives_are_looked_at(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    settings = Settings(server=ServerSettings(data=tmp_path), mounts={"PACS": PACS})
    assert list(checks.folders(settings)) == [f"server.data: {tmp_path}/{name} is not a folder"]


def test_folders_that_nothing_uses_are_not_looked_at(tmp_path: Path) -> None:
    for name in ("state", "spool", "spill"):
        (tmp_path / name).touch()
    settings = Settings(
        server=ServerSettings(data=tmp_path),
        frontend=FrontendSettings(mode="dimse"),
        mounts={"ARCHIVE": ArchiveMount()},
    )
    assert not list(checks.folders(settings))


def test_a_running_service_is_named_once(tmp_path: Path) -> None:
    settings = Settings(server=ServerSettings(data=tmp_path), mounts={"PACS": PACS})
    locks = []
    for folder in (settings.state, settings.spool("PACS")):
        folder.mkdir(parents=True)
        locks.append(Lock(folder))
    [problem] = checks.folders(settings)
    assert problem.startswith(f"server.data: {settings.state} is used by another process")
    for lock in locks:
        lock.release()
