"""How do we speak TLS? Contexts made of the settings, and made anew when their files change.

TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only: BCP 195, and with it the
profiles of PS3.15 §B.12 and §B.13.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from hilum.config.tls import Identity, TlsSettings
from hilum.model.errors import BackendFault

HANDSHAKE: Final = 10.0  # seconds that a handshake may take
_LOOK: Final = 5.0  # seconds between two looks at the files
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"  # of TLS 1.2; those of 1.3 are all good
_REQUIREMENTS: Final = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}

log = logging.getLogger(__name__)


Speaks = Callable[[], ssl.SSLContext]
"""Gives what the next connection is spoken with."""


class CannotLoad(Exception):
    """A certificate or key that cannot be used; the text begins with its key in the section."""


def server(settings: TlsSettings) -> ssl.SSLContext:
    """What a door speaks TLS with.

    Clients that show a certificate must have it of an authority of `client_ca`.

    Raises:
        CannotLoad: there is no certificate, or one of the files cannot be used.
    """
    if settings.certificate is None:
        raise CannotLoad("certificate: is missing; `hilum cert self-signed` makes one to try")
    context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    # A client that wants to speak again of something else gets a new connection for it.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # A client that closes its half without a word of TLS still gets what was written for it. Both
    # HTTP and DIMSE tell what was cut off.
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    _load(context, settings, settings.client_ca, "client_ca")
    context.verify_mode = _REQUIREMENTS[settings.client_certificates]
    return context


def client(own: Identity, trusted: Path | None, *, check_host: bool = True) -> ssl.SSLContext:
    """What a peer is spoken to with.

    Args:
        own: our certificate, where there is one.
        trusted: a file with the authorities of the peer's, or with its own certificate, whoever
            has signed that; None: the authorities of the system.
        check_host: whether its certificate must name the host that is called.

    Raises:
        BackendFault: a file cannot be used.
    """
    context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.check_hostname = check_host
    if trusted is None:
        context.load_default_certs()
    else:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        _load(context, own, trusted, "ca_file")
    except CannotLoad as error:
        raise BackendFault(str(error)) from error
    return context


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    return context


def _load(
    context: ssl.SSLContext, identity: Identity, trusted: Path | None, trusted_by: str
) -> None:
    if identity.certificate is not None:
        password = identity.key_password
        secret = "" if password is None else password.get_secret_value()
        try:
            context.load_cert_chain(identity.certificate, identity.key, lambda: secret)
        except ssl.SSLError as error:
            name = "certificate" if identity.key is None else "certificate and key"
            why = error.reason or "no PEM, or the wrong password"
            raise CannotLoad(f"{name}: cannot be used: {why.replace('_', ' ').lower()}") from error
        except OSError as error:
            raise CannotLoad(f"certificate: cannot be read: {error.strerror}") from error
    if trusted is not None:
        try:
            context.load_verify_locations(trusted)
        except OSError as error:  # ssl.SSLError too
            raise CannotLoad(f"{trusted_by}: cannot be read as PEM certificates") from error


def ours(certificate: Path) -> bytes:
    """The certificate in DER that a door shows which has that file.

    Raises:
        CannotLoad: there is none in it.
    """
    from cryptography import x509  # noqa: PLC0415 - as in `subject`
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    try:
        return x509.load_pem_x509_certificates(certificate.read_bytes())[0].public_bytes(
            Encoding.DER
        )
    except (OSError, ValueError):
        raise CannotLoad(f"certificate: cannot be read: {certificate}") from None


def subject(encoded: bytes | None) -> str:
    """The subject (RFC 4514) of the certificate that the other end has shown.

    It is of an authority that is believed, as else there is no connection. "" for none.

    Args:
        encoded: that certificate in DER, if any.
    """
    if not encoded:
        return ""
    from cryptography import x509  # noqa: PLC0415 - 4 MB, which most clients make no use of

    return x509.load_der_x509_certificate(encoded).subject.rfc4514_string()


class Renewed:
    """A door's context, and another one when its files or its settings change.

    Connections that are open go on with what they began with.

    Attributes:
        context: for the next connection.

    Raises:
        CannotLoad: as `server`.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self.context = server(settings)
        self._seen = self._state()

    def renew(self) -> None:
        """Load the files again; where that fails the old ones stay, and the log says so."""
        self._seen = self._state()
        try:
            self.context = server(self._settings)
        except CannotLoad as error:
            log.error("tls.%s; the former certificate stays in use", error)  # noqa: TRY400 - one line
        else:
            log.info("certificates were loaded again")

    def become(self, settings: TlsSettings, context: ssl.SSLContext) -> None:
        """Take a context that was made of other settings."""
        self._settings = settings
        self.context = context
        self._seen = self._state()

    async def watch(self) -> None:
        """Look from time to time whether the files changed. Never ends."""
        while True:
            await asyncio.sleep(_LOOK)
            if self._state() != self._seen:
                self.renew()

    def _state(self) -> Sequence[tuple[int, int] | None]:
        files = (self._settings.certificate, self._settings.key, self._settings.client_ca)
        return [_stamp(each) for each in files if each is not None]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - what follows links
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
