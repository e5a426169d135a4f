from pathlib import Path

import pytest

from hilum.config.load import ConfigError, load


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "config.toml"
    path.write_text(f'[mounts.ARCHIVE]\nbackend = "archive"\n{text}', encoding="utf-8")
    try:
        load(path, {})
    except ConfigError as error:
        return [each.removeprefix(f"{path}: ") for each in error.problems]
    return []


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_without_logins_it_is_for_this_machine(tmp_path: Path, bind: str) -> None:
    assert not problems(tmp_path, f'[admin]\nenabled = true\nbind = "{bind}"')


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "10.0.0.1", "hilum.example.org"])  # noqa: S104
def test_letting_others_in_needs_logins(tmp_path: Path, bind: str) -> None:
    text = f'[admin]\nenabled = true\nbind = "{bind}"\n'
    [told] = problems(tmp_path, text)
    assert told == f"admin.bind: {bind} lets others in, which needs [auth]"
    assert not problems(tmp_path, f"{text}[auth]\nenabled = true")
    assert not problems(tmp_path, f'[admin]\nbind = "{bind}"')


def test_two_doors_have_two_ports(tmp_path: Path) -> None:
    assert problems(tmp_path, "[admin]\nenabled = true\nport = 8080") == [
        "admin.port: the port of http is 8080 too"
    ]
    assert not problems(tmp_path, "[admin]\nport = 8080")


def test_its_tls_needs_a_certificate(tmp_path: Path) -> None:
    [told] = problems(tmp_path, "[admin]\nenabled = true\ntls = true")
    assert told.startswith("tls.certificate: is missing, as admin.tls is set")
