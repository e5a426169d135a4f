import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from hilum.cli.cert import made
from hilum.config.tls import Identity, TlsSettings
from hilum.model.errors import BackendFault
from hilum.net import tls
from hilum.net.tls import CannotLoad, Renewed, client, ours, server


def written(folder: Path, *, name: str = "localhost") -> TlsSettings:
    public, private = made([name])
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(public)
    key.write_bytes(private)
    return TlsSettings(certificate=certificate, key=key)


def handshake(door: ssl.SSLContext, theirs: ssl.SSLContext, host: str = "localhost") -> str | None:
    """The version on which both agree, spoken in memory."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = door.wrap_bio(incoming, outgoing, server_side=True)
    there = theirs.wrap_bio(outgoing, incoming, server_hostname=host)
    for _ in range(10):
        for side in (there, here):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return there.version()


def test_only_new_versions_with_forward_secrecy(tmp_path: Path) -> None:
    context = server(written(tmp_path))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    old = [each["name"] for each in context.get_ciphers() if each["protocol"] == "TLSv1.2"]
    assert old
    assert all(each.startswith(("ECDHE", "DHE")) for each in old)
    assert not [each for each in old if "CBC" in each or "SHA" in each.split("-")[-1:]]


def test_both_sides_agree(tmp_path: Path) -> None:
    settings = written(tmp_path)
    theirs = client(Identity(), settings.certificate)
    assert handshake(server(settings), theirs) == "TLSv1.3"


def test_a_certificate_that_an_authority_has_signed_can_be_believed_alone(tmp_path: Path) -> None:
    """As that of ourselves: `hilum selftest` knows the certificate, and not who has signed it."""
    ca = trustme.CA()
    own, other = ca.issue_cert("localhost"), ca.issue_cert("localhost")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    theirs = client(Identity(), tmp_path / "own.pem")
    assert handshake(server(TlsSettings(certificate=tmp_path / "own.pem")), theirs) == "TLSv1.3"
    other.private_key_and_cert_chain_pem.write_to_path(tmp_path / "other.pem")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server(TlsSettings(certificate=tmp_path / "other.pem")), theirs)


def test_what_a_door_shows_is_the_first_certificate_of_its_file(tmp_path: Path) -> None:
    public, private = made(["localhost"])
    (tmp_path / "all.pem").write_bytes(private + public + made(["other"])[0])
    assert ours(tmp_path / "all.pem") == ssl.PEM_cert_to_DER_cert(public.decode())
    (tmp_path / "none.pem").write_text("nothing")
    for name in ("none.pem", "absent.pem"):
        with pytest.raises(CannotLoad, match=name):
            ours(tmp_path / name)


def test_a_stranger_is_not_trusted(tmp_path: Path) -> None:
    settings = written(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server(settings), client(Identity(), None))


def test_the_name_is_checked_unless_told_otherwise(tmp_path: Path) -> None:
    settings = written(tmp_path, name="elsewhere.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server(settings), client(Identity(), settings.certificate))
    lax = client(Identity(), settings.certificate, check_host=False)
    assert handshake(server(settings), lax) == "TLSv1.3"


@pytest.mark.parametrize("broken", ["certificate", "key"])
def test_a_broken_file_is_told(tmp_path: Path, broken: str) -> None:
    settings = written(tmp_path)
    path = getattr(settings, broken)
    path.write_text("nothing")
    with pytest.raises(CannotLoad, match="certificate and key: cannot be used"):
        server(settings)
    with pytest.raises(BackendFault):
        client(settings, None)


def test_a_certificate_of_another_key_is_told(tmp_path: Path) -> None:
    settings = written(tmp_path)
    (tmp_path / "key.pem").write_bytes(made(["localhost"])[1])
    with pytest.raises(CannotLoad, match="key values mismatch"):
        server(settings)


def test_a_door_without_a_certificate_says_how_to_get_one() -> None:
    with pytest.raises(CannotLoad, match="hilum cert self-signed"):
        server(TlsSettings())


def test_a_new_certificate_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    settings = written(tmp_path)
    renewed = Renewed(settings)
    assert settings.certificate is not None
    before = client(Identity(), settings.certificate)
    written(tmp_path)
    renewed.renew()
    assert handshake(renewed.context, client(Identity(), settings.certificate)) == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(renewed.context, before)


def test_a_bad_new_certificate_leaves_the_old_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = written(tmp_path)
    renewed = Renewed(settings)
    assert settings.certificate is not None
    trusted = client(Identity(), settings.certificate)
    settings.certificate.write_text("nothing")
    renewed.renew()
    assert "stays in use" in caplog.text
    assert handshake(renewed.context, trusted) == "TLSv1.3"


@pytest.mark.anyio
async def test_a_changed_file_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_LOOK", 0.01)
    settings = written(tmp_path)
    renewed = Renewed(settings)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(renewed.watch())
        written(tmp_path)
        async with asyncio.timeout(20):
            while handshake_fails(  # noqa: ASYNC110 - only a handshake tells
                renewed.context, client(Identity(), settings.certificate)
            ):
                await asyncio.sleep(0.01)
        watching.cancel()


def handshake_fails(ours: ssl.SSLContext, theirs: ssl.SSLContext) -> bool:
    try:
        handshake(ours, theirs)
    except ssl.SSLError:
        return True
    return False
