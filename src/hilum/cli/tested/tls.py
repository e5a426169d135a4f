"""Which versions of TLS do the doors speak? Those of the statement, and no older one."""

import asyncio
import ssl
import warnings

from hilum.cli.common import reachable
from hilum.cli.stated.statement import Door
from hilum.cli.tested.row import Failed, Row, Skipped, Subject

_PATIENCE = 10.0  # seconds for a handshake
_VERSIONS = {
    "TLS 1.1": (ssl.TLSVersion.TLSv1_1, False),
    "TLS 1.2": (ssl.TLSVersion.TLSv1_2, True),
    "TLS 1.3": (ssl.TLSVersion.TLSv1_3, True),
}


def _context(subject: Subject, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Whoever is there is spoken to: only versions are looked at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    own = subject.settings.tls
    if own.certificate is not None and own.client_certificates == "required":
        secret = own.key_password
        word = secret.get_secret_value() if secret is not None else ""
        context.load_cert_chain(own.certificate, own.key, lambda: word)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # an old version is what is meant
        context.minimum_version = context.maximum_version = version
    return context


async def _spoken(subject: Subject, door: Door) -> str:
    said = []
    for name, (version, wanted) in _VERSIONS.items():
        try:
            async with asyncio.timeout(_PATIENCE):
                _, writer = await asyncio.open_connection(
                    reachable(door.host), door.port, ssl=_context(subject, version)
                )
            writer.close()
            there = True
        except (ssl.SSLError, ConnectionResetError, TimeoutError):
            there = False
        if there is not wanted:
            word = "is spoken" if there else "is not spoken"
            raise Failed(
                f"{name} {word} at port {door.port}", "look at [tls], and at OpenSSL's own"
            )
        said.append(f"{name} {'yes' if there else 'no'}")
    return f"port {door.port}: {', '.join(said)}"


async def _doors(subject: Subject) -> str:
    doors = [each for each in subject.statement.doors if each.tls]
    if not doors:
        raise Skipped("no door speaks TLS")
    return "; ".join([await _spoken(subject, each) for each in doors])


ROW = Row("versions of TLS", "", _doors)
