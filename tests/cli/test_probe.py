import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import peers
from tests.cli.scu.peer import Pacs, call
from tests.contract.made import made
from tests.quirky import Cancel, Quirks, quirky

from hilum.cli.walk.study import study
from hilum.config.load import load
from hilum.config.mounts import DimseMount

HELD = [made(number, StudyDate=f"2020{number:02}15") for number in range(1, 13)]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No configuration but the one that is named."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.delenv("HILUM_CONFIG", raising=False)
    return empty


def pasted(folder: Path, text: str) -> DimseMount:
    """The mount that a block of TOML makes."""
    file = folder / "pasted.toml"
    file.write_text(text)
    mounts = load(file, {}).mounts
    assert len(mounts) == 1
    mount = next(iter(mounts.values()))
    assert isinstance(mount, DimseMount)
    return mount


def test_a_table_and_a_block_to_paste(tmp_path: Path) -> None:
    quirks = Quirks(cancel=Cancel.ABORTED, slow=0.01, charset="GB18030", store_title="OTHER")
    held = [*HELD, made(50, PatientName="Wang^X=王^小东")]
    port = peers.free_port()
    with quirky(held, quirks, destinations={"US": port}) as pacs:
        code, out, err = call(
            "probe", pacs.place, "--timeout", "5", "--receiver", "US", "--port", str(port)
        )
        there = pacs.port
    assert (code, err) == (0, "")
    table, _, block = out.partition("For the configuration:\n\n")
    assert "C-CANCEL" in table
    assert re.search(r"C-GET of one instance +│ works", table)
    mount = pasted(tmp_path, block)
    assert (mount.aet, mount.host, mount.port) == ("QUIRKY", "127.0.0.1", there)
    assert (mount.cancel, mount.charset) == ("abort", "GB18030")
    assert (mount.receivers, mount.senders) == (("US",), ("OTHER",))


def test_programs_get_json(tmp_path: Path) -> None:
    with quirky(HELD) as pacs:
        code, out, _ = call("probe", pacs.place, "--json", "--no-retrieve", "--aet", "OTHER")
    said = json.loads(out)
    assert (code, said["ok"], said["aet"], said["settings"]) == (0, True, "OTHER", {})
    assert said["findings"]["c_find"]["value"] == {"study": True, "patient": True}
    assert pasted(tmp_path, said["toml"]).aet == "OTHER"
    assert "get" not in said["findings"]


@pytest.mark.parametrize("name", ["PACS", "GOOD"])
def test_a_mount_or_a_peer_of_the_configuration_is_called_by_its_name(
    tmp_path: Path, name: str
) -> None:
    with quirky(HELD, Quirks(callers=frozenset(("US",)))) as pacs:
        place = f'aet = "QUIRKY"\nhost = "127.0.0.1"\nport = {pacs.port}\n'
        config = tmp_path / "config.toml"
        config.write_text(
            f'[server]\naet = "US"\n[mounts.PACS]\nbackend = "dimse"\n{place}[peers.GOOD]\n{place}'
        )
        arguments = ("probe", name, "--config", str(config), "--no-retrieve")
        code, out, err = call(*arguments)
        assert (code, err) == (0, "")
        assert f"[mounts.{'PACS' if name == 'PACS' else 'QUIRKY_2'}]" in out
        assert "calling" not in out
        code, _, err = call(*arguments, "--calling", "OTHER")
        assert (code, "calling AE title not recognized" in err) == (3, True)


def test_our_own_title_need_not_be_a_receiver(tmp_path: Path) -> None:
    port = peers.free_port()
    with quirky(HELD, destinations={"HILUM": port}) as pacs:
        config = tmp_path / "config.toml"
        config.write_text(
            f'[dimse]\nport = {port}\n[mounts.PACS]\nbackend = "dimse"\naet = "QUIRKY"\n'
            f'host = "127.0.0.1"\nport = {pacs.port}\n'
        )
        code, out, _ = call("probe", "PACS", "--config", str(config), "--receiver", "HILUM")
    assert code == 0
    assert re.search(r"C-MOVE of one instance +│ works", out)
    assert "receivers" not in out


def test_a_taken_port_is_told() -> None:
    with quirky(HELD) as pacs, socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))  # noqa: S104 - as the probe listens
        taken.listen()
        port = str(taken.getsockname()[1])
        code, out, _ = call("probe", pacs.place, "--receiver", "US", "--port", port)
    assert (code, "where a broker runs there, stop it" in out) == (0, True)


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_nobody_there_is_3(more: tuple[str, ...]) -> None:
    code, out, err = call("probe", f"127.0.0.1:{peers.free_port()}", *more)
    assert code == 3
    assert "Connection refused" in (json.loads(out)["error"] if more else err)


@pytest.mark.parametrize(
    "arguments",
    [
        ("PACS",),
        (),
        ("host:104", "--aet", "MUCH_TOO_LONG_FOR_A_TITLE"),
        ("host:104", "--receiver", "MUCH_TOO_LONG_FOR_A_TITLE"),
        ("host:104", "--config", "nowhere.toml"),
    ],
)
def test_a_wrong_command_line_is_2(arguments: tuple[str, ...]) -> None:
    assert call("probe", *arguments)[0] == 2


def test_a_door_at_any_port_is_none_to_be_called_at(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[dimse]\nport = 0\n[mounts.ARCHIVE]\n")
    code, _, err = call("probe", "host:104", "-c", str(config), "--receiver", "US")
    assert (code, "--port" in err) == (2, True)


def test_dcmqrscp_is_probed(a_pacs: Pacs, tmp_path: Path) -> None:
    code, out, err = call(
        "probe", a_pacs.place, "--receiver", "RECEIVER", "--port", str(a_pacs.receiver), "--json"
    )
    assert (code, err) == (0, "")
    said = json.loads(out)["findings"]
    for name in ("series_level", "image_level", "get", "move", "originator"):
        assert said[name]["value"] is True, said[name]
    assert said["early_success"]["value"] is False
    assert pasted(tmp_path, json.loads(out)["toml"]).receivers == ("RECEIVER",)


@pytest.fixture(scope="module")
def an_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[peers.Orthanc, int]]:
    port, folder = peers.free_port(), tmp_path_factory.mktemp("orthanc")
    held = study("PROBED")
    with peers.orthanc(folder / "here", modalities={"us": ("US", port)}) as peer:
        for each in held.slices:
            peer.ask("/instances", each.part10)
        yield peer, port


def test_orthanc_is_probed(an_orthanc: tuple[peers.Orthanc, int], tmp_path: Path) -> None:
    peer, port = an_orthanc
    code, out, err = call(
        "probe", f"ORTHANC@127.0.0.1:{peer.port}", "--calling", "US", "--json",
        "--receiver", "US", "--port", str(port),
    )  # fmt: skip
    assert (code, err) == (0, "")
    said = json.loads(out)["findings"]
    for name in ("series_level", "image_level", "patient_level", "get", "move", "originator"):
        assert said[name]["value"] is True, said[name]
    mount = pasted(tmp_path, json.loads(out)["toml"])
    assert (mount.aet, mount.calling, mount.receivers) == ("ORTHANC", "US", ("US",))
    assert (mount.retrieve, mount.mode) == ("auto", "auto")
