"""How a client comes in: at a server that speaks TLS, or that lets in only whom it knows."""

import ssl
import sys
import time
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.processes import run_once

_ISSUER, _AUDIENCE = "https://issuer.example.org", "bench"
_HOLDS = 24 * 3600  # seconds
CALLED = "BENCH"
"""The AE title of clients; findscu, getscu and movescu come in by it, as they show no token."""
BY_IDENTITY = "BENCHID"
"""The AE title of the one that does."""


class Guard(Enum):
    """What is asked of who comes, as `--guards` names it."""

    AUTH = "auth"
    """A token: over HTTP, and by storescu; the other programs of DCMTK come by their AE title."""
    TLS = "tls"
    """TLS at both doors, no token."""
    NOTHING = "nothing"
    """The same once more: what is said of this one is how wrong all of it may be."""


@dataclass(frozen=True)
class Access:
    """What a client needs.

    Attributes:
        certificate: that the server shows; None: no TLS.
        token: a file with a JWT; None: none.
    """

    certificate: Path | None = None
    token: Path | None = None

    @cached_property
    def header(self) -> str:
        """Of HTTP, "" where none is needed."""
        return f"Authorization: Bearer {self.token.read_text()}" if self.token else ""

    @cached_property
    def context(self) -> ssl.SSLContext | None:
        """For TLS."""
        return (
            ssl.create_default_context(cafile=str(self.certificate)) if self.certificate else None
        )

    @property
    def of_curl(self) -> list[str]:
        """Options of curl."""
        trusted = ["--cacert", str(self.certificate)] if self.certificate else []
        return [*trusted, "--header", self.header] if self.header else trusted

    def of_dcmtk(self, name: str) -> list[str]:
        """Options of a program of DCMTK."""
        if self.certificate:
            return ["--anonymous-tls", "--add-cert-file", str(self.certificate)]
        if self.token and name == "storescu":
            return ["--jwt", str(self.token)]
        return []

    def title(self, name: str) -> str:
        """AE title of a program of DCMTK."""
        return BY_IDENTITY if self.token and name == "storescu" else CALLED


OPEN = Access()


def certified(folder: Path) -> tuple[Path, Path]:
    """A certificate for a server here, and its key.

    Raises:
        CannotStart: it cannot be made.
    """
    making = ["cert", "self-signed", "--folder", str(folder), "--host", "127.0.0.1"]
    run_once([sys.executable, "-m", "hilum", *making])
    return folder / "cert.pem", folder / "key.pem"


def guarded(folder: Path, guard: Guard) -> tuple[Access, str]:
    """What clients need, and the tables that the configuration of Hilum needs.

    Raises:
        CannotStart: no certificate can be made.
    """
    if guard is Guard.NOTHING:
        return OPEN, ""
    if guard is Guard.TLS:
        certificate, key_file = certified(folder)
        pair = f'certificate = "{certificate}"\nkey = "{key_file}"\n'
        return Access(certificate=certificate), f"[tls]\n{pair}"
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "issuer.pem").write_bytes(public)
    now = int(time.time())
    claims = {"iss": _ISSUER, "aud": _AUDIENCE, "sub": "bench", "iat": now, "exp": now + _HOLDS}
    scope = "hilum:echo hilum:query hilum:retrieve hilum:store hilum:send"
    (folder / "token").write_text(jwt.encode({**claims, "scope": scope}, key, "ES256"))
    return (
        Access(token=folder / "token"),
        f"""[auth]
enabled = true
[auth.token]
public_key = "{folder / "issuer.pem"}"
issuer = "{_ISSUER}"
audience = "{_AUDIENCE}"
algorithms = ["ES256"]
[peers.{CALLED}]
aet = "{CALLED}"
host = "127.0.0.1"
port = 104
auth = "ae"
""",
    )
