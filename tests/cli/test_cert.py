from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from hilum.cli.cert import made
from hilum.cli.main import app


def test_a_certificate_and_its_key_are_written(tmp_path: Path) -> None:
    arguments = ["cert", "self-signed", "--folder", str(tmp_path), "--host", "a.example"]
    ended = CliRunner().invoke(app, [*arguments, "--host", "10.0.0.1"])
    assert ended.exit_code == 0, ended.output
    certificate = x509.load_pem_x509_certificate((tmp_path / "cert.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    key = serialization.load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    assert key.public_key() == certificate.public_key()
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    assert "[tls]" in ended.output


def test_files_of_before_are_not_written_over_unasked(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("precious")
    arguments = ["cert", "self-signed", "--folder", str(tmp_path)]
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code != 0
    assert (tmp_path / "key.pem").read_text() == "precious"
    assert not (tmp_path / "cert.pem").exists()
    assert CliRunner().invoke(app, [*arguments, "--force"]).exit_code == 0
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["localhost", "x" * 100])
def test_two_of_the_same_name_can_be_told_apart(name: str) -> None:
    first, second = (x509.load_pem_x509_certificate(made([name])[0]) for _ in range(2))
    assert first.subject != second.subject
    assert first.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == name[:64]
