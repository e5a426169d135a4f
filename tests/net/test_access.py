import ssl
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr
from tests.net.test_tls import handshake

from hilum.config.mounts import Web
from hilum.model.errors import BackendFault
from hilum.net.access import headers_of, origin_of, tls

pytestmark = pytest.mark.anyio


def test_headers_of_the_configuration_are_sent() -> None:
    said = Web(headers={"X-Key": SecretStr("k"), "X-Open": "o"})
    assert headers_of(said) == {"X-Key": "k", "X-Open": "o"}
    assert headers_of(Web()) == {}


def test_an_origin_is_scheme_host_and_port() -> None:
    assert (
        origin_of("https://HOST/a") == origin_of("https://host:443/b?c") == ("https", "host", 443)
    )
    assert origin_of("http://host") != origin_of("https://host")
    assert origin_of("http://host:99999/")[2] == 0


async def test_where_an_authority_is_named_those_of_the_system_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, private = trustme.CA(), trustme.CA()
    files = tmp_path / "system.pem", tmp_path / "private.pem"
    for ca, file in zip((system, private), files, strict=True):
        ca.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    unnamed, named = await tls(Web()), await tls(Web(ca_file=files[1]))
    assert named.verify_mode is ssl.CERT_REQUIRED
    assert named.check_hostname
    assert handshake(_of(system), unnamed) == handshake(_of(private), named) == "TLSv1.3"
    for stranger, context in ((private, unnamed), (system, named)):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(_of(stranger), context)


def _of(ca: trustme.CA) -> ssl.SSLContext:
    """A server whose certificate that authority has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    return context


@pytest.mark.parametrize("content", [None, b"nonsense"])
async def test_an_authority_that_can_no_longer_be_read_is_told_of(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    web = Web(ca_file=file)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BackendFault, match="ca_file"):
        await tls(web)
