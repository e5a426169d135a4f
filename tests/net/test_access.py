import ssl
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

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


async def test_a_private_authority_is_trusted_besides_the_systems(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    plain, private = await tls(Web()), await tls(Web(ca_file=file))
    assert private.verify_mode is ssl.CERT_REQUIRED
    assert private.check_hostname
    assert len(private.get_ca_certs()) == len(plain.get_ca_certs()) + 1


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
