"""`hilum cert`: a certificate for a first try with TLS."""

import datetime as dt
import ipaddress
import os
import socket
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hilum.cli.common import fail

command = typer.Typer(add_completion=False, no_args_is_help=True)
_DAYS = 365


@command.callback()
def cert() -> None:
    """Certificates for doors that speak TLS."""


@command.command("self-signed")
def self_signed(
    *,
    hosts: Annotated[
        list[str] | None,
        typer.Option("--host", help="A name or address it stands for; else this machine's."),
    ] = None,
    folder: Annotated[
        Path, typer.Option("--folder", help="Where cert.pem and key.pem are written.")
    ] = Path(),
    days: Annotated[int, typer.Option("--days", min=1, help="How long it holds.")] = _DAYS,
    force: Annotated[bool, typer.Option("--force", help="Write over files of before.")] = False,
) -> None:
    """Make a certificate that nobody but you has signed, and its key.

    Peers must be given cert.pem to trust. For daily use have an authority sign one.
    """
    names = list(dict.fromkeys(hosts or _here()))
    certificate, key = folder / "cert.pem", folder / "key.pem"
    there = [str(each) for each in (certificate, key) if each.exists()]
    if there and not force:
        fail(f"{' and '.join(there)}: there already; --force writes over it")
    public, private = made(names, days)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(key, private, 0o600)
        _write(certificate, public, 0o644)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    print(f"{certificate} and {key}, for {', '.join(names)}, good for {days} days", "", sep="\n")
    print(f'[tls]\ncertificate = "{certificate.absolute()}"\nkey = "{key.absolute()}"')


def _write(path: Path, content: bytes, mode: int) -> None:
    """A file that nobody can read meanwhile who may not in the end."""
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(content)


def _here() -> list[str]:
    return ["localhost", "127.0.0.1", "::1", socket.gethostname()]


def made(names: list[str], days: int = _DAYS) -> tuple[bytes, bytes]:
    """Certificate and private key (PEM), for a server and a client of these names.

    Args:
        names: host names and addresses; the first one is its subject.
        days: from yesterday on, as clocks differ.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    number = x509.random_serial_number()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64]),
            # Two of the same name would be taken for each other by who trusts both.
            x509.NameAttribute(NameOID.SERIAL_NUMBER, f"{number:x}"),
        ]
    )
    now = dt.datetime.now(dt.UTC)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
