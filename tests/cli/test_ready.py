import contextlib
import json
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cli.process import Broker, configured, free_ports, ran, running

from hilum.cli.cert import made
from hilum.cli.ready import look
from hilum.config.schema import Settings


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("ready")
    assert ran("cert", "self-signed", "--folder", folder).returncode == 0
    tls = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    config = configured(
        folder,
        http__tls=True,
        http__bind="0.0.0.0",  # noqa: S104 - asked for at 127.0.0.1
        http__base_path="/pacs",
        auth__enabled=True,
        **{f"tls__{name}": value for name, value in tls.items()},
    )
    with running(config) as found:
        yield found


def test_a_broker_that_serves_is_ready_for_who_has_no_login(broker: Broker) -> None:
    done = ran("ready", "--config", broker.config, "--wait", "30s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("Hilum is ready at https://127.0.0.1:")
    assert done.stdout.endswith("/pacs: healthy\n")
    told = json.loads(ran("ready", "--config", broker.config, "--json").stdout)
    assert (told["ready"], told["said"]) == (True, "healthy")


@pytest.mark.parametrize(
    ("shows", "wants", "seen"),
    [
        ("ours", ssl.CERT_REQUIRED, (True, "it listens, and wants a certificate of who asks more")),
        ("another", ssl.CERT_NONE, (False, "shows another certificate than tls.certificate")),
        ("another", ssl.CERT_REQUIRED, (False, "shows another certificate than tls.certificate")),
    ],
)
def test_only_who_shows_our_certificate_is_believed(
    tmp_path: Path, shows: str, wants: ssl.VerifyMode, seen: tuple[bool, str]
) -> None:
    """Whoever gets hold of the port while the service is down has not got its certificate."""
    for name in ("ours", "another"):
        public, private = made(["localhost"])
        (tmp_path / f"{name}.pem").write_bytes(private + public)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / f"{shows}.pem")
    context.load_verify_locations(tmp_path / "ours.pem")
    context.verify_mode = wants
    with socket.create_server(("127.0.0.1", 0)) as listens:
        said = {"bind": "127.0.0.1", "port": listens.getsockname()[1], "tls": True}
        tls = {"certificate": tmp_path / "ours.pem", "client_ca": tmp_path / "ours.pem"}
        found = Settings.model_validate(
            {"http": said, "tls": {**tls, "client_certificates": "required"}, "mounts": {"A": {}}}
        )
        with ThreadPoolExecutor(1) as pool:
            served = pool.submit(_greeted, listens, context)
            told = look(found)
            served.result()
    assert (told.ready, told.said) == seen


def _greeted(listens: socket.socket, context: ssl.SSLContext) -> None:
    caller, _ = listens.accept()
    with contextlib.suppress(OSError), context.wrap_socket(caller, server_side=True) as spoken:
        spoken.recv(1)


def test_where_nobody_listens_it_ends_with_3(tmp_path: Path) -> None:
    done = ran("ready", "--config", configured(tmp_path), "--wait", "300ms")
    assert done.returncode == 3
    assert done.stdout.startswith("Hilum is not ready: http://127.0.0.1:")
    assert done.stdout.endswith("refused\n")


def test_a_broker_whose_only_pacs_is_gone_is_ready_all_the_same(tmp_path: Path) -> None:
    pacs = {"backend": "dimse", "aet": "PACS", "host": "127.0.0.1", "port": free_ports(1)[0]}
    config = configured(tmp_path, **{f"mounts_FAR__{name}": each for name, each in pacs.items()})
    config.write_text(config.read_text().replace("[mounts.ARCHIVE]\ndefault = true\n", ""))
    with running(config):
        done = ran("ready", "--config", config)
    assert (done.returncode, done.stderr) == (0, "")


def test_of_a_dimse_door_it_is_seen_that_it_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listens:
        port = listens.getsockname()[1]
        config = configured(tmp_path, frontend__mode="dimse", dimse__port=port)
        done = ran("ready", "--config", config)
    assert (done.returncode, f"port {port}" in done.stdout) == (0, True)
    assert ran("ready", "--config", config, "--json").returncode == 3


def test_a_time_that_is_none_is_told(tmp_path: Path) -> None:
    done = ran("ready", "--config", configured(tmp_path), "--wait", "soon")
    assert (done.returncode, "--wait" in done.stderr) == (1, True)
