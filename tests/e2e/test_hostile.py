"""Hostile clients at both doors of a running broker: what they get, and what others notice."""

import base64
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from bench.hostile.good import encoded
from bench.hostile.place import AET, CT, FOE, HOST, Place, image, part10
from bench.hostile.run import Left, hostile, listening, started
from tests.upper_layer import wire

from hilum.codec.associate import Proposed
from hilum.codec.header import EXPLICIT_LITTLE
from hilum.codec.sop_class import STUDY_ROOT_MOVE

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason=f"has {FOE} as an address, and /proc to look at"
)
PATIENCE = 90.0  # seconds until what must come has come
CYCLES = 2  # of the good client, beside the hostile ones
KINDS = 7  # of requests in each
RELATED = 'multipart/related; type="{}"; boundary=b'
JSON = "Content-Type: application/dicom+json\r\n"
STUDY = "1.2.826.0.1.3680043.10.1511.7"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, int, Path]]:
    folder = tmp_path_factory.mktemp("hostile")
    with started(folder) as (place, pid):
        yield place, pid, folder


def web(place: Place) -> httpx.Client:
    headers = {"Authorization": f"Bearer {place.token}"}
    return httpx.Client(base_url=f"{place.root}/", headers=headers, timeout=60, trust_env=False)


@pytest.mark.slow
def test_others_do_not_notice(broker: tuple[Place, int, Path]) -> None:
    """Seconds of what `python -m bench.hostile` does for minutes, and measures."""
    place, pid, folder = broker
    with listening(place) as heard:
        until(lambda: len(heard.lines) > KINDS)
        before, count = Left.at(pid, folder), len(heard.lines)
        hostile(place, 4, [])
        until(lambda: len(heard.lines) > count + CYCLES * KINDS)
    assert heard.errors == []
    until(lambda: Left.at(pid, folder).descriptors <= before.descriptors + 10)
    until(lambda: Left.at(pid, folder).files <= before.files + 2)


@contextmanager
def trap() -> Iterator[tuple[str, list[bytes]]]:
    """A server that nobody may ask, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(0.1)
        ended = threading.Event()

        def listen() -> None:
            while not ended.is_set():
                with suppress(OSError):
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(1)
                        asked.append(b"somebody came")
                        asked.append(connection.recv(1000))

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield f"http://{HOST}:{listener.getsockname()[1]}", asked
        finally:
            ended.set()
            thread.join()


def until(holds: object) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def body(*parts: tuple[str, bytes]) -> bytes:
    """A multipart body; each part with one header or none."""
    written = (f"--b\r\n{head}\r\n".encode() + data + b"\r\n" for head, data in parts)
    return b"".join(written) + b"--b--\r\n"


def token(**header: object) -> str:
    claims = {"sub": "eve", "iss": "bench", "aud": "hilum", "exp": 2**32}
    texts = (json.dumps(each).encode() for each in (header, claims))
    return ".".join(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in texts) + ".AA"


def test_no_url_that_a_client_writes_is_asked(broker: tuple[Place, int, Path]) -> None:
    place, _, _ = broker
    with trap() as (url, asked), web(place) as client:
        made = image(STUDY, 1)
        made.RetrieveURL = f"{url}/retrieve"
        uid, data = encoded(STUDY, 1)
        attributes = {
            "00080016": {"vr": "UI", "Value": [CT]},
            "00080018": {"vr": "UI", "Value": [f"{uid}.1"]},
            "0020000D": {"vr": "UI", "Value": [STUDY]},
            "0020000E": {"vr": "UI", "Value": [f"{STUDY}.1"]},
            "00081190": {"vr": "UR", "Value": [f"{url}/retrieve"]},
            "00420011": {"vr": "OB", "BulkDataURI": f"{url}/bulk"},
        }
        dtd = f'<!DOCTYPE a SYSTEM "{url}/a.dtd" [<!ENTITY b SYSTEM "{url}/b">]>'
        json_text = json.dumps([attributes]).encode()
        for kind, content in (
            ("application/dicom", body(("", part10(made, data)))),
            ("application/dicom+json", body((JSON, json_text))),
            (
                "application/dicom+json",
                body(
                    (JSON, json_text),
                    (f"Content-Location: {url}/x\r\n", b"ab"),
                ),
            ),
            (
                "application/dicom+xml",
                body(("", f"{dtd}<NativeDicomModel>&b;</NativeDicomModel>".encode())),
            ),
        ):
            headers = {"Content-Type": RELATED.format(kind)}
            answer = client.post("studies", content=content, headers=headers)
            assert answer.status_code in {200, 400, 409}, answer.text
        for destination in (url, f"{url}/dicom-web", f"{HOST}:{url.rpartition(':')[2]}", "EVIL@x"):
            answer = client.post(
                f"studies/{STUDY}/send-requests/2.25.{time.time_ns()}",
                params={"destination": destination},
            )
            assert answer.status_code in {400, 404, 409}, answer.text
        for header in (
            {"jku": url},
            {"x5u": url},
            {"kid": url},
            {"jwk": {"k": "AA", "kty": "oct"}},
        ):
            headers = {"Authorization": f"Bearer {token(alg='HS256', **header)}"}
            assert client.get("studies", headers=headers).status_code == 401
        for headers in (
            {"Host": url.removeprefix("http://")},
            {"X-Forwarded-Host": url.removeprefix("http://"), "Forwarded": f"host={url}"},
            {"Referer": url, "Origin": url},
        ):
            assert client.get(f"studies/{STUDY}/metadata", headers=headers).status_code == 200
        assert absolute(place, f"{url}/aets/{AET}/studies") in {200, 400, 404}
        time.sleep(0.3)  # for what would come late
        assert asked == []


def absolute(place: Place, target: str) -> int:
    """The status of a request whose target is a whole URL, as proxies get it."""
    with socket.create_connection((HOST, place.http), timeout=60) as peer:
        head = f"GET {target} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {place.token}\r\n\r\n"
        peer.sendall(head.encode())
        return int(peer.recv(100).split()[1])


@pytest.mark.anyio
async def test_a_move_goes_to_no_address_that_the_caller_writes(
    broker: tuple[Place, int, Path],
) -> None:
    place, _, _ = broker
    asks = b"\x08\0\x52\0CS\x06\0STUDY " + b"\x20\0\x0d\0UI" + bytes((len(STUDY) + 1, 0))
    asks += STUDY.encode() + b"\0"
    with trap() as (url, asked):
        async with wire.raw(place.dimse) as peer:
            await peer.associate(
                called_ae_title=AET,
                calling_ae_title="GOOD",
                contexts=(Proposed(1, STUDY_ROOT_MOVE, (EXPLICIT_LITTLE,)),),
            )
            for destination in ("STRANGER", f"127.0.0.1:{url[-5:]}", "../../etc"):
                command = wire.Command(
                    command_field=wire.Service.C_MOVE, message_id=1, priority=0,
                    affected_sop_class_uid=STUDY_ROOT_MOVE, data_set_type=wire.A_DATA_SET,
                    move_destination=destination,
                )  # fmt: skip
                await peer.send(wire.message(1, command, asks))
                answer, _ = await peer.message()
                assert answer.status == 0xA801
        assert asked == []


TRAVERSING = (
    "../../../../etc/cron.d/x",
    "/etc/passwd",
    "..",
    "1.2/../../3",
    "1.2\\..\\3",
    "C:1",
    "a\0b",
)


def test_no_name_that_a_client_writes_is_a_path(broker: tuple[Place, int, Path]) -> None:
    place, _, folder = broker
    with web(place) as client:
        for name in TRAVERSING:
            made = image(STUDY, 1)
            file = part10(made, encoded(STUDY, 1)[1]).replace(
                str(made.SOPInstanceUID).encode(),
                name.encode()[: len(made.SOPInstanceUID)].ljust(len(made.SOPInstanceUID), b"\0"),
            )
            answer = client.post(
                "studies",
                content=body(("", file)),
                headers={"Content-Type": RELATED.format("application/dicom")},
            )
            assert answer.status_code in {200, 400, 409}, answer.text
            written = quote(name, safe="").replace(".", "%2e")
            for path in (
                f"studies/{written}/metadata", f"studies/{STUDY}/series/{written}",
                f"studies/{STUDY}/series/{STUDY}.1/instances/{written}/frames/1",
                f"studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.1/bulkdata/{written}",
            ):  # fmt: skip
                assert client.get(path).status_code in {400, 404}
    kept = folder / "data" / "archive" / AET / "files"
    for each in kept.rglob("*"):
        if each.is_file():
            assert re.fullmatch(
                r"\d{4}/\d\d/\d\d/[0-9a-f]{16}\.dcm", each.relative_to(kept).as_posix()
            )
    beside = {each.name for each in folder.iterdir()}
    assert beside == {"secret", "hilum.toml", "data"}
