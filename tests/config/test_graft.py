from pathlib import Path

import pytest

from hilum.config.edit import MASK, opened
from hilum.config.graft import with_mount
from hilum.config.load import ConfigError

TEXT = """# Ours
[mounts.PACS]  # the big one
backend = "dimse"
aet = "PACS"
retrieve = "move"  # since 2019
identity = { username = "u", password = "s3cret" }

[http]
port = 80
"""
TABLE = '[mounts.NEW]\nbackend = "dimse"\n'


def grafted(folder: Path, name: str, text: str = TEXT) -> str:
    file = folder / "config.toml"
    file.write_text(text)
    return with_mount(opened(file), name, {"retrieve": "get", "senders": ["A"]}, TABLE)


def test_settings_of_a_mount_take_the_place_of_those_it_has(tmp_path: Path) -> None:
    found = grafted(tmp_path, "PACS")
    assert 'retrieve = "get"  # since 2019\n' in found
    assert 'senders = ["A"]\n' in found
    assert "[mounts.PACS]  # the big one\n" in found
    assert MASK in found
    assert "s3cret" not in found
    assert found.endswith("[http]\nport = 80\n")
    assert grafted(tmp_path, "PACS", found.replace(MASK, "x")) == found


def test_a_mount_that_is_not_there_comes_to_the_end(tmp_path: Path) -> None:
    found = grafted(tmp_path, "NEW")
    assert found.endswith(f"port = 80\n\n{TABLE}")
    assert grafted(tmp_path, "NEW", "") == TABLE


def test_what_is_no_toml_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not TOML"):
        grafted(tmp_path, "NEW", "[mounts")
