import os
from pathlib import Path

import pytest

from hilum.config.auth import AuthSettings, RuleSettings
from hilum.config.changes import applied, differences, stamps, stamps_of_certificates
from hilum.config.limits import LimitSettings
from hilum.config.mounts import AnyMount, ArchiveMount, DimseMount
from hilum.config.peers import Peer
from hilum.config.schema import (
    DimseSettings,
    HttpSettings,
    ImagingSettings,
    ServerSettings,
    Settings,
)
from hilum.config.tls import TlsSettings

PACS = DimseMount(backend="dimse", aet="P", host="h", port=104)
CT = Peer(aet="CT", host="h", port=104)


def settings(**mounts: AnyMount) -> Settings:
    return Settings(mounts={"A": ArchiveMount(), **mounts})


def told(old: Settings, new: Settings) -> dict[str, bool]:
    return {str(each): each.restart for each in differences(old, new)}


def test_the_same_is_no_difference() -> None:
    assert told(settings(P=PACS), settings(P=PACS)) == {}


def test_each_setting_is_told_by_its_path_and_whether_it_needs_a_restart() -> None:
    new = Settings(
        server=ServerSettings(aet="X"),
        dimse=DimseSettings(port=5, max_pdu=0),
        http=HttpSettings(query_limit=5, bind="0.0.0.0"),  # noqa: S104 - not bound
        limits=LimitSettings(requests_per_second=5),
        imaging=ImagingSettings(queue=5),
        auth=AuthSettings(rules={"r": RuleSettings(may=("echo",), names=("*",))}),
        mounts={
            "A": ArchiveMount(durability="relaxed", delete=True),
            "P": PACS.model_copy(update={"pool": PACS.pool.model_copy(update={"size": 2})}),
        },
        peers={"ct": CT},
    )
    assert told(settings(P=PACS), new) == {
        "server.aet": True,
        "dimse.port": True,
        "dimse.max_pdu": False,
        "http.bind": True,
        "http.query_limit": False,
        "auth.rules.r (added)": False,
        "limits.requests_per_second": False,
        "imaging.queue": True,
        "mounts.A.durability": True,
        "mounts.A.delete": False,
        "mounts.P.pool.size": False,
        "peers.ct (added)": False,
    }
    in_force = applied(settings(P=PACS), new)
    assert told(in_force, new) == {
        name: True for name, restart in told(settings(P=PACS), new).items() if restart
    }
    assert told(settings(P=PACS), in_force) == {
        name: False for name, restart in told(settings(P=PACS), new).items() if not restart
    }


def test_a_mount_that_is_new_or_of_another_kind_is_one_difference() -> None:
    assert told(settings(P=PACS), settings(P=ArchiveMount(durability="relaxed"))) == {
        "mounts.P": False
    }
    assert told(settings(P=PACS), settings()) == {"mounts.P (removed)": False}


def test_what_stays_may_clash_with_what_is_new() -> None:
    old = Settings(server=ServerSettings(aet="CT"), mounts={"A": ArchiveMount()})
    new = Settings(mounts={"A": ArchiveMount()}, peers={"ct": CT})
    assert [*new.clashes()] == []
    assert [*applied(old, new).clashes()] == ["peers.ct.aet: server.aet has the same AE title"]


@pytest.mark.parametrize("inside", ["ca_file", "certificate"])
def test_a_file_that_changed_is_seen(tmp_path: Path, inside: str) -> None:
    path = tmp_path / "a.pem"
    path.write_text("a")
    section = PACS.model_copy(update={inside: path, "tls": True})
    before = stamps(section, None, TlsSettings())
    assert [stamp[0] for stamp in before] == [str(path)]
    assert stamps(section) == before
    os.utime(path, (1, 1))
    assert stamps(section) != before
    path.unlink()
    assert stamps(section) == ()


def test_files_of_certificates_are_known_at_any_depth(tmp_path: Path) -> None:
    (file := tmp_path / "ca.pem").write_text("one")
    peer = CT.model_copy(update={"tls": True, "ca_file": file})
    for found in (
        Settings(peers={"P": peer}),
        Settings(tls=TlsSettings(certificate=file)),
    ):
        (first,) = stamps_of_certificates(found)
        assert first[0] == str(file)
    (data := tmp_path / "data").write_text("none")
    assert stamps_of_certificates(Settings(server=ServerSettings(data=data))) == ()
