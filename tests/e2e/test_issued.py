"""Tokens: of our own, and of a real provider, through whole brokers, one behind the other."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests import peers
from tests.cli.process import ran
from tests.contract.made import dataset, encoded, uid
from tests.e2e.recorded import events
from tests.e2e.test_doors import SERVICES
from tests.e2e.visitors import NOT_AUTHORIZED, called, web_token
from tests.net.openid import SECRET, Provider, Signer, provider

from hilum.codec.part10 import encode_meta

BEFORE = '[server]\ndata = "{folder}/data"\nworkers = {workers}\n[logging]\nlevel = "info"\n'
DOORS = "[dimse]\nport = {dimse}\naccept_unknown_callers = true\n[http]\nport = {http}\n"
ARCHIVE = "[mounts.ARCHIVE]\ndefault = true\n"
AUTH = "[auth]\nenabled = true\n"
PATIENCE = 20.0  # seconds


def configuration(folder: Path, *more: str, workers: int = 1, http: int = 0) -> str:
    ports = DOORS.format(dimse=peers.free_port(), http=http or peers.free_port())
    return "\n".join((BEFORE.format(folder=folder, workers=workers), ports, *more))


def token(config: Path, *arguments: str) -> Any:
    done = ran("token", *arguments, "--json", "--config", config)
    return json.loads(done.stdout)


@contextmanager
def client(root: str, bearer: str | None) -> Iterator[httpx.Client]:
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    with httpx.Client(base_url=root, headers=headers, timeout=60, trust_env=False) as opened:
        yield opened


def status(
    root: str, bearer: str | None, path: str = "/aets/ARCHIVE/studies", cookie: str = ""
) -> int:
    with client(root, bearer) as opened:
        return opened.get(path, headers={"Cookie": cookie} if cookie else {}).status_code


def echoes(port: int, bearer: str | None, title: str = "ARCHIVE") -> bool:
    with called(port, web_token(bearer), title=title) as association:
        return association.is_established and association.send_c_echo().get("Status") == 0


def until(true: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.1)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_token_of_ours_opens_what_it_grants_until_it_is_revoked(
    tmp_path: Path, workers: int
) -> None:
    text = configuration(tmp_path, ARCHIVE, AUTH, workers=workers)
    with peers.hilum(tmp_path, text) as here:
        assert status(here.root, None) == 401
        made = token(here.config, "create", "viewer", "--may", "query,echo")
        assert status(here.root, made["token"]) in {200, 204}
        assert status(here.root, made["token"], "/aets/ARCHIVE/studies/1.2.3") == 403
        assert status(here.root, made["token"][:-1] + "!") == 401
        assert echoes(here.port, made["token"])
        assert not echoes(here.port, "hilum_0000000000000000_" + "A" * 43)
        assert token(here.config, "list")[0]["last_used"] is not None
        with client(here.root, made["token"]) as opened:
            shown = opened.post("/login").headers["Set-Cookie"].partition(";")[0]
        for _ in range(5 * workers):  # whichever worker answers
            assert status(here.root, None, cookie=shown) in {200, 204}
        with called(here.port, web_token(made["token"]), title="ARCHIVE") as association:
            asked = SERVICES[:2]
            assert [each.dimse(association) for each in asked] == [0, 0]
            token(here.config, "revoke", "viewer")
            time.sleep(5.0)
            assert [each.dimse(association) for each in asked] == [NOT_AUTHORIZED] * 2
            assert association.is_established
        for _ in range(5 * workers):
            assert status(here.root, made["token"]) == 401
            assert status(here.root, None, cookie=shown) == 401
            assert not echoes(here.port, made["token"])
    recorded = events(here.data)
    assert (recorded["application start"], recorded["application stop"]) == (1, 1)
    assert recorded["login"] >= 10 * workers


def test_a_token_of_ours_opens_a_broker_that_speaks_dimse_only(tmp_path: Path) -> None:
    text = configuration(tmp_path, ARCHIVE, AUTH, '[frontend]\nmode = "dimse"\n')
    with peers.hilum(tmp_path, text) as here:
        made = token(here.config, "create", "modality", "--may", "echo", "--mounts", "ARCHIVE")
        assert echoes(here.port, made["token"])
        assert not echoes(here.port, None)


def granted(there: Provider, *scopes: str, audience: str = "urn:hilum") -> str:
    said = {
        "grant_type": "client_credentials",
        "client_id": "gate-post",
        "client_secret": SECRET,
        "scope": " ".join(scopes),
        "resource": audience,
    }
    answer = httpx.post(there.token_url, data=said, timeout=30, trust_env=False)
    return str(answer.raise_for_status().json()["access_token"])


def verified(there: Provider) -> str:
    return f'{AUTH}[auth.token]\ndiscovery = "{there.issuer}"\naudience = "urn:hilum"\n'


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("provider"), Signer.made("p")) as found:
        yield found


@pytest.fixture(scope="module")
def far(there: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Hilum]:
    """A broker with an archive of one instance, which believes the provider."""
    folder = tmp_path_factory.mktemp("far")
    with peers.hilum(folder, configuration(folder, ARCHIVE, verified(there))) as found:
        assert stored(found.root, granted(there, "hilum:store:ARCHIVE"), "ARCHIVE") == 200
        yield found


def stored(root: str, bearer: str | None, mount: str, instance: int = 1) -> int:
    one = dataset(1, 1, instance)
    file = encode_meta(one.SOPClassUID, one.SOPInstanceUID, "1.2.840.10008.1.2.1") + encoded(one)
    head = b"--b\r\nContent-Type: application/dicom\r\n\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    with client(root, bearer) as opened:
        answer = opened.post(
            f"/aets/{mount}/studies",
            content=head + file + b"\r\n--b--\r\n",
            headers={"Content-Type": kind, "Accept": "application/dicom+json"},
        )
        return answer.status_code


MOUNTS = """
[mounts.WEB]
backend = "dicomweb"
url = "{far}/aets/ARCHIVE"
backoff = "10ms"
{web}
[mounts.PACS]
backend = "dimse"
aet = "ARCHIVE"
host = "127.0.0.1"
port = {port}
retrieve = "get"
{pacs}
"""
EVERYTHING = """
[auth.rules.everybody]
may = ["echo", "query", "retrieve", "store", "send"]
names = ["*"]
"""


@pytest.mark.parametrize("mount", ["WEB", "PACS"])
def test_the_callers_token_decides_behind_two_brokers(
    there: Provider, far: peers.Hilum, tmp_path: Path, mount: str
) -> None:
    mounts = MOUNTS.format(
        far=far.root, port=far.port, web="forward_token = true", pacs="forward_token = true"
    )
    text = configuration(tmp_path, mounts, verified(there), EVERYTHING)
    with peers.hilum(tmp_path, text) as gate:
        own = token(gate.config, "create", "own", "--may", "query")["token"]
        one = f"/aets/{mount}/studies/{uid(1)}"
        query = granted(there, "hilum:query")
        store = granted(there, "hilum:store:ARCHIVE")
        # Here everybody may; it is the far side that says no.
        assert status(gate.root, query, f"/aets/{mount}/studies?StudyInstanceUID={uid(1)}") == 200
        assert status(gate.root, query, one) >= 400
        assert stored(gate.root, query, mount, 2) >= 400
        assert status(gate.root, store, f"/aets/{mount}/studies") >= 400
        assert stored(gate.root, store, mount, 3) == 200
        assert status(gate.root, None, one) == 401
        assert status(gate.root, own, f"/aets/{mount}/studies") == 401
        other = granted(there, "hilum:query", audience="urn:other")
        assert status(gate.root, other, f"/aets/{mount}/studies") == 401


def test_a_gate_that_fetches_its_own_tokens(
    there: Provider, far: peers.Hilum, tmp_path: Path
) -> None:
    web = "\n".join(
        (
            "[mounts.WEB.oauth]",
            f'discovery = "{there.issuer}"',
            'client_id = "gate-basic"',
            'client_secret = { env = "GATE_SECRET" }',
            'scope = ["hilum:query"]',
            'resource = "urn:hilum"',
        )
    )
    secret = granted(there, "hilum:query")
    pacs = 'identity = { token = { env = "GATE_TOKEN" } }'
    mounts = MOUNTS.format(far=far.root, port=far.port, web=web, pacs=pacs)
    environ = {"GATE_SECRET": SECRET, "GATE_TOKEN": secret}
    with peers.hilum(tmp_path, configuration(tmp_path, mounts), env=environ) as gate:
        for mount in ("WEB", "PACS"):
            path = f"/aets/{mount}/studies?StudyInstanceUID={uid(1)}"
            assert status(gate.root, None, path) == 200
            assert stored(gate.root, None, mount, 4) >= 400
        log = gate.said
        assert secret not in log
        assert SECRET not in log
