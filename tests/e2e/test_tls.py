"""TLS at every door and to every peer, with DCMTK, openssl, curl and Orthanc at the other end."""

import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests import peers
from tests.contract.made import made, uid
from tests.e2e.recorded import events

from hilum.codec.part10 import encode_meta

HOST = peers.HOST


@dataclass(frozen=True, slots=True)
class Doors:
    hilum: peers.Hilum
    tls: int
    certificate: Path
    key: Path


def certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """One that `hilum cert self-signed` makes."""
    hosts = [part for name in names or (HOST, "localhost") for part in ("--host", name)]
    ended = peers.command("cert", "self-signed", "--folder", folder, "--force", *hosts)
    assert ended.returncode == 0, ended.stdout
    assert (folder / "key.pem").stat().st_mode & 0o077 == 0
    return folder / "cert.pem", folder / "key.pem"


@contextmanager
def served(folder: Path, more: str = "", tls: str = "", dimse: str = "") -> Iterator[Doors]:
    cert, key = certificate(folder / "tls")
    port = peers.free_port()
    config = peers.configuration(
        peers={"TOOL": 104},
        dimse=f"tls_port = {port}\n{dimse}",
        http="tls = true",
        more=f'{more}\n[tls]\ncertificate = "{cert}"\nkey = "{key}"\n{tls}\n',
    )
    with peers.hilum(folder / "hilum", config) as hilum:
        yield Doors(hilum, port, cert, key)


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with served(tmp_path_factory.mktemp("tls")) as open_doors:
        yield open_doors


def echoscu(doors: Doors, *options: str | Path, port: int | None = None) -> tuple[int, str]:
    ended = peers.run(
        [
            peers.dcmtk("echoscu"), *options, "-aet", "TOOL", "-aec", "HILUM",
            HOST, str(port or doors.tls),
        ]
    )  # fmt: skip
    return ended.returncode, ended.stdout


def curl(doors: Doors, path: str, *options: str | Path) -> tuple[int, str]:
    root = doors.hilum.dicomweb.removesuffix("/dicomweb")
    ended = peers.run(
        [peers.tool("curl", "curl"), "-sS", "-w", "%{http_code}", *options, root + path]
    )
    return ended.returncode, ended.stdout


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_dcmtk_comes_in_with_each_of_its_profiles(doors: Doors, profile: str) -> None:
    status, said = echoscu(doors, "+tla", profile, "+cf", doors.certificate)
    assert status == 0, said


def test_both_dimse_ports_are_the_same_archive(doors: Doors, tmp_path: Path) -> None:
    instance = made(1, 1, 1)
    head = encode_meta(
        instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid
    )
    (tmp_path / "one.dcm").write_bytes(head + instance.data)
    stored = peers.run(
        [
            peers.dcmtk("storescu"), "+tla", "+cf", doors.certificate, "-aet", "TOOL",
            "-aec", "HILUM", HOST, str(doors.tls), tmp_path / "one.dcm",
        ]
    )  # fmt: skip
    assert stored.returncode == 0, stored.stdout
    assert echoscu(doors, port=doors.hilum.port)[0] == 0
    status, said = curl(doors, "/dicomweb/studies", "--cacert", doors.certificate)
    assert (status, said[-3:]) == (0, "200")
    assert uid(1) in said
    assert f"https://{HOST}" in said  # RetrieveURL


def test_a_study_comes_as_it_was_stored(doors: Doors, tmp_path: Path) -> None:
    several = [made(2, 1, number, PixelData=bytes([number]) * 400_000) for number in range(8)]
    for number, each in enumerate(several):
        head = encode_meta(each.sop_class_uid, each.sop_instance_uid, each.transfer_syntax_uid)
        (tmp_path / f"{number}.dcm").write_bytes(head + each.data)
    stored = peers.run(
        [
            peers.dcmtk("storescu"), "+tla", "+cf", doors.certificate, "-aet", "TOOL",
            "-aec", "HILUM", HOST, str(doors.tls), *sorted(tmp_path.iterdir()),
        ]
    )  # fmt: skip
    assert stored.returncode == 0, stored.stdout
    got = tmp_path / "got"
    for _ in range(2):  # the system has the files in memory at the second time, if not before
        _, said = curl(
            *(doors, f"/dicomweb/studies/{uid(2)}", "--cacert", doors.certificate, "-o", got),
            *("-H", 'Accept: multipart/related; type="application/dicom"'),
        )
        assert said == "200"
        assert [each.data in got.read_bytes() for each in several] == [True] * 8


def test_a_client_that_does_not_trust_us_does_not_get_in(doors: Doors) -> None:
    assert echoscu(doors, "+tla")[0] != 0
    assert curl(doors, "/health")[0] == 60  # curl: the certificate cannot be verified


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(doors: Doors, version: str) -> None:
    openssl = peers.tool("openssl", "openssl")
    for port in (doors.tls, int(doors.hilum.dicomweb.split(":")[2].split("/")[0])):
        old = peers.run(
            [
                openssl,
                "s_client",
                version,
                "-cipher",
                "ALL:@SECLEVEL=0",
                "-connect",
                f"{HOST}:{port}",
            ]
        )
        assert "Cipher is (NONE)" in old.stdout or old.returncode != 0
        new = peers.run([openssl, "s_client", "-tls1_3", "-connect", f"{HOST}:{port}"])
        assert "TLSv1.3" in new.stdout


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "NULL-SHA256"])
def test_weak_ciphers_are_refused(doors: Doors, cipher: str) -> None:
    openssl = peers.tool("openssl", "openssl")
    ended = peers.run(
        [
            openssl, "s_client", "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0",
            "-connect", f"{HOST}:{doors.tls}",
        ]
    )  # fmt: skip
    assert "Cipher is (NONE)" in ended.stdout or ended.returncode != 0


def test_clients_that_are_silent_in_the_handshake_keep_nobody_waiting(doors: Doors) -> None:
    silent = [socket.create_connection((HOST, doors.tls)) for _ in range(20)]
    try:
        began = time.monotonic()
        assert echoscu(doors, "+tla", "+cf", doors.certificate)[0] == 0
        assert time.monotonic() - began < 20
    finally:
        for each in silent:
            each.close()


def test_one_that_is_silent_is_dropped(doors: Doors) -> None:
    with socket.create_connection((HOST, doors.tls)) as silent:
        silent.settimeout(20)
        assert silent.recv(1) == b""


def test_plain_words_at_a_door_of_tls_do_no_harm(doors: Doors) -> None:
    assert echoscu(doors)[0] != 0
    status, _ = curl(doors, "/health", "--cacert", doors.certificate)
    assert status == 0


def test_only_clients_with_a_certificate_come_in_where_they_must_have_one(tmp_path: Path) -> None:
    theirs, their_key = certificate(tmp_path / "client", "scanner.example")
    others, other_key = certificate(tmp_path / "other", "stranger.example")
    needs = f'client_ca = "{theirs}"\nclient_certificates = "required"'
    with served(tmp_path, tls=needs) as doors:
        trust = ("+cf", doors.certificate)
        assert echoscu(doors, "+tls", their_key, theirs, *trust)[0] == 0
        assert echoscu(doors, "+tls", other_key, others, *trust)[0] != 0
        assert echoscu(doors, "+tla", *trust)[0] != 0
        known = ("--cacert", doors.certificate)
        assert curl(doors, "/health", *known, "--cert", theirs, "--key", their_key)[0] == 0
        assert curl(doors, "/health", *known)[0] != 0
    assert events(doors.hilum.data)["node authentication"] >= 3


@pytest.mark.parametrize("how", ["watch", "SIGHUP"])
def test_new_certificates_are_taken_and_no_connection_is_dropped(tmp_path: Path, how: str) -> None:
    with served(tmp_path) as doors:
        context = ssl.create_default_context(cafile=doors.certificate)
        port = int(doors.hilum.dicomweb.split(":")[2].split("/")[0])
        with (
            socket.create_connection((HOST, port)) as connection,
            context.wrap_socket(connection, server_hostname=HOST) as old,
        ):
            before = ssl.get_server_certificate((HOST, port))
            certificate(tmp_path / "tls")
            if how == "SIGHUP":
                os.kill(doors.hilum.process.pid, signal.SIGHUP)
            until = time.monotonic() + 20
            while ssl.get_server_certificate((HOST, port)) == before:
                assert time.monotonic() < until, doors.hilum.said
                time.sleep(0.2)
            old.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert old.recv(1000).startswith(b"HTTP/1.1 200")
        (tmp_path / "tls" / "cert.pem").write_text("no certificate")
        if how == "SIGHUP":
            os.kill(doors.hilum.process.pid, signal.SIGHUP)
        until = time.monotonic() + 20
        while "stays in use" not in doors.hilum.said:
            assert time.monotonic() < until, doors.hilum.said
            time.sleep(0.2)
        assert ssl.get_server_certificate((HOST, port))


def test_a_pacs_is_spoken_to_by_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path / "pacs")
    options = ["+tls", str(key), str(cert), "-ic", "--fork"]
    there = tmp_path / "there"
    there.mkdir()
    with peers.storescp(there, options=options) as pacs:
        more = (
            f'[mounts.PACS]\nbackend = "dimse"\naet = "{pacs.aet}"\nhost = "{HOST}"\n'
            f'port = {pacs.port}\ntls = true\nca_file = "{cert}"\n'
            f'[mounts.DOUBT]\nbackend = "dimse"\naet = "{pacs.aet}"\nhost = "{HOST}"\n'
            f"port = {pacs.port}\ntls = true\n"
        )
        with served(tmp_path, more=more) as doors:
            trust = ("--cacert", doors.certificate)
            assert curl(doors, "/aets/PACS", *trust)[1].endswith("200")
            said = curl(doors, "/aets/DOUBT", *trust)[1]
            assert said.endswith("502")
            assert "self-signed certificate" in said or "self signed certificate" in said


@pytest.mark.parametrize("names", [(HOST,), ("elsewhere.example",)])
def test_the_name_in_the_certificate_of_a_pacs_is_checked_unless_told_otherwise(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    cert, key = certificate(tmp_path / "pacs", *names)
    there = tmp_path / "there"
    there.mkdir()
    with peers.storescp(there, options=["+tls", str(key), str(cert), "-ic", "--fork"]) as pacs:
        mount = (
            '[mounts.{0}]\nbackend = "dimse"\naet = "PACS"\nhost = "127.0.0.1"\nport = {1}\n'
            'tls = true\nca_file = "{2}"\ncheck_host = {3}\n'
        )
        more = mount.format("STRICT", pacs.port, cert, "true")
        more += mount.format("LAX", pacs.port, cert, "false")
        with served(tmp_path, more=more) as doors:
            trust = ("--cacert", doors.certificate)
            assert curl(doors, "/aets/LAX", *trust)[1].endswith("200")
            status = curl(doors, "/aets/STRICT", *trust)[1][-3:]
            assert status == ("200" if names == (HOST,) else "502")


def test_orthanc_both_ways(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path / "orthanc")
    port = peers.free_port()
    ours, our_key = certificate(tmp_path / "ours")
    both = tmp_path / "both.pem"
    both.write_text(cert.read_text() + ours.read_text())
    options = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(cert),
        "DicomTlsPrivateKey": str(key),
        "DicomTlsTrustedCertificates": str(both),
        "DicomModalities": {
            "hilum": {"AET": "HILUM", "Host": HOST, "Port": port, "UseDicomTls": True}
        },
    }
    with peers.orthanc(tmp_path / "store", options=options) as orthanc:
        config = peers.configuration(
            peers={"ORTHANC": orthanc.port},
            dimse=f"tls_port = {port}",
            more=(
                f'[mounts.PACS]\nbackend = "dimse"\naet = "ORTHANC"\nhost = "{HOST}"\n'
                f'port = {orthanc.port}\ntls = true\nca_file = "{cert}"\n'
                f'[tls]\ncertificate = "{ours}"\nkey = "{our_key}"\n'
                f'client_ca = "{cert}"\nclient_certificates = "required"\n'
            ),
        )
        with peers.hilum(tmp_path / "hilum", config) as hilum:
            try:
                orthanc.ask("/modalities/hilum/echo", {})
            except OSError:
                raise AssertionError(orthanc.said + hilum.said) from None
            root = hilum.dicomweb.removesuffix("/dicomweb")
            ended = peers.run([peers.tool("curl", "curl"), "-sS", f"{root}/aets/PACS"])
            assert '"healthy"' in ended.stdout


def test_the_demo_walks_through_doors_of_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path / "tls")
    config = peers.configuration(
        dimse="tls = true\naccept_unknown_callers = true",
        http="tls = true",
        more=f'[tls]\ncertificate = "{cert}"\nkey = "{key}"\n',
    )
    dimse, http = peers.free_port(), peers.free_port()
    config = config.replace("port = 0", f"port = {dimse}", 1).replace("port = 0", f"port = {http}")
    with peers.hilum(tmp_path / "hilum", config) as hilum:
        ended = peers.command("demo", "--config", hilum.config)
        assert ended.returncode == 0, ended.stdout
