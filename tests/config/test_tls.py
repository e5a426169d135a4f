from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hilum.cli.cert import made
from hilum.config.schema import Settings
from hilum.config.tls import TlsPeer, TlsSettings


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    public, private = made(["localhost"])
    path = tmp_path / "both.pem"
    path.write_bytes(public + private)
    return path


def problems(kind: Any, **values: object) -> str:
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(values)
    return str(caught.value)


def test_a_key_without_its_certificate_is_refused(pem: Path) -> None:
    assert "certificate: is missing, as there is a key" in problems(TlsSettings, key=pem)


def test_a_file_that_is_not_there_is_told() -> None:
    assert "there is no file" in problems(TlsSettings, certificate=Path("/nowhere/cert.pem"))


def test_whose_clients_are_let_in_must_be_said(pem: Path) -> None:
    assert "client_ca: is missing" in problems(TlsSettings, client_certificates="required")
    assert "has no effect" in problems(TlsSettings, client_ca=pem)


@pytest.mark.parametrize("setting", ["ca_file", "certificate"])
def test_what_has_no_effect_without_tls_is_refused(pem: Path, setting: str) -> None:
    assert f"tls: is false, so that {setting} has no effect" in problems(TlsPeer, **{setting: pem})
    assert TlsPeer.model_validate({"tls": True, setting: pem}).tls


def test_a_host_name_that_need_not_be_checked_without_tls_is_refused() -> None:
    assert "check_host has no effect" in problems(TlsPeer, check_host=False)


@pytest.mark.parametrize(
    ("section", "setting", "value"),
    [("dimse", "tls", True), ("dimse", "tls_port", 2762), ("http", "tls", True)],
)
def test_a_door_that_speaks_tls_needs_a_certificate(
    pem: Path, section: str, setting: str, value: object
) -> None:
    door = {section: {setting: value}, "mounts": {"A": {}}}
    said = problems(Settings, **door)
    assert f"tls.certificate: is missing, as {section}.{setting} is set" in said
    found = Settings.model_validate({**door, "tls": {"certificate": pem}})
    assert found.tls_doors == (f"{section}.{setting}",)
    with_workers = {**door, "tls": {"certificate": pem}, "server": {"workers": 2}}
    assert "let a proxy speak TLS" in problems(Settings, **with_workers)


def test_a_second_port_beside_one_that_speaks_tls_has_no_use(pem: Path) -> None:
    doors = {"dimse": {"tls": True, "tls_port": 2762}, "tls": {"certificate": pem}}
    assert "dimse.tls_port: has no use" in problems(Settings, **doors)


def test_a_second_port_is_another_one(pem: Path) -> None:
    doors = {"dimse": {"port": 104, "tls_port": 104}, "tls": {"certificate": pem}}
    assert "104 is taken by another door" in problems(Settings, **doors)
