import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.process import Broker, configured, free_ports, ran, running


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
