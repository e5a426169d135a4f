from pathlib import Path

import pytest

from hilum.app import Listening
from hilum.cli.serving import place, tries, web_root, where
from hilum.config.mounts import ArchiveMount
from hilum.config.schema import HttpSettings, Settings

SETTINGS = Settings(mounts={"ARCHIVE": ArchiveMount(default=True), "B": ArchiveMount()})
BOTH = Listening({"dimse": ("127.0.0.1", 104), "http": ("::", 80)})


def test_where_it_listens_is_told_with_titles_ports_and_roots() -> None:
    assert where(SETTINGS, BOTH)[1:5] == [
        "  AE titles  HILUM (mount ARCHIVE), ARCHIVE, B",
        "  DIMSE      127.0.0.1:104",
        "  DICOMweb   http://[::1]:80/dicomweb",
        "  Mounts     http://[::1]:80/aets   (ARCHIVE, B)",
    ]


def test_a_closed_door_is_not_told_of() -> None:
    text = "\n".join(where(SETTINGS, Listening({"dimse": ("127.0.0.1", 104)})))
    assert "DICOMweb" not in text


def test_three_commands_are_proposed() -> None:
    assert len(tries(SETTINGS, BOTH)) == 4
    assert len(tries(SETTINGS, Listening({"dimse": ("127.0.0.1", 104)}))) == 4


def test_the_commands_name_the_configuration_unless_it_is_the_one_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "--config" not in "".join(tries(SETTINGS, BOTH, tmp_path / "config.toml"))
    text = "\n".join(tries(SETTINGS, BOTH, tmp_path / "x" / "y.toml"))
    assert "demo --config x/y.toml" in text
    assert f"demo --config {tmp_path.parent / 'y.toml'}" in "\n".join(
        tries(SETTINGS, BOTH, tmp_path.parent / "y.toml")
    )


def test_the_web_root_has_the_base_path() -> None:
    settings = Settings(http=HttpSettings(base_path="/x"))
    listening = Listening({"http": ("127.0.0.1", 8080)})
    assert web_root(settings, listening) == "http://127.0.0.1:8080/x"
    assert place("::1", 1) == "[::1]:1"
