import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from dicomweb_client.api import DICOMwebClient
from tests import peers
from tests.contract.made import Made, made, uid

from hilum.codec.multipart import closing, part_head
from hilum.codec.part10 import encode_meta

STUDIES = "/dicomweb/studies"
INSTANCES = "/dicomweb/instances?limit=1000"


def body(instances: list[Made]) -> bytes:
    parts = [
        part_head("b", {"Content-Type": "application/dicom"}, first=not number)
        + encode_meta(each.sop_class_uid, each.sop_instance_uid, each.transfer_syntax_uid)
        + each.data
        for number, each in enumerate(instances)
    ]
    return b"".join(parts) + closing("b")


def stored(client: httpx.Client, *instances: Made) -> None:
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    answer = client.post(STUDIES, content=body([*instances]), headers={"Content-Type": kind})
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module", params=[1, 2], ids=["alone", "workers"])
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[peers.Hilum]:
    config = peers.configuration(archive="delete = true", more="[mounts.KEPT]\n")
    config = config.replace("[dimse]", f"workers = {request.param}\n[dimse]", 1)
    with peers.hilum(tmp_path_factory.mktemp("delete"), config) as running:
        yield running


@pytest.fixture
def client(broker: peers.Hilum) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=broker.root, trust_env=False, timeout=60) as client:
        yield client
        for each in client.get(STUDIES).json():
            client.delete(f"{STUDIES}/{each['0020000D']['Value'][0]}")


@pytest.mark.parametrize(
    ("path", "left"),
    [
        (uid(1), 1),
        (f"{uid(1)}/series/{uid(1, 1)}", 2),
        (f"{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 2)}", 3),
    ],
)
def test_a_study_a_series_an_instance_is_deleted(
    client: httpx.Client, path: str, left: int
) -> None:
    stored(client, made(1, 1, 1), made(1, 1, 2), made(1, 2, 3), made(2))
    answer = client.delete(f"{STUDIES}/{path}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert len(client.get(INSTANCES).json()) == left
    assert client.delete(f"{STUDIES}/{path}").status_code == 404
    assert client.get(f"{STUDIES}/{path}").status_code == 404
    assert client.get(f"{STUDIES}/{path}/metadata").status_code == 404


def test_counts_follow(client: httpx.Client) -> None:
    stored(client, made(1, 1, 1), made(1, 1, 2), made(1, 2, 3, Modality="MR"))
    client.delete(f"{STUDIES}/{uid(1)}/series/{uid(1, 2)}")
    (study,) = client.get(STUDIES).json()
    assert study["00201206"]["Value"] == [1]
    assert study["00201208"]["Value"] == [2]
    assert study["00080061"]["Value"] == ["CT"]


def test_what_was_deleted_can_come_again(client: httpx.Client) -> None:
    stored(client, made(1))
    assert client.delete(f"{STUDIES}/{uid(1)}").status_code == 204
    stored(client, made(1, PatientID="OTHER"))
    assert len(client.get(INSTANCES).json()) == 1


def test_dicomweb_client_deletes(client: httpx.Client, broker: peers.Hilum) -> None:
    stored(client, made(1, 1, 1), made(1, 1, 2), made(1, 2, 3), made(2))
    other = DICOMwebClient(broker.dicomweb)
    other.delete_instance(uid(1), uid(1, 1), uid(1, 1, 1))
    other.delete_series(uid(1), uid(1, 2))
    assert len(client.get(INSTANCES).json()) == 2
    other.delete_study(uid(1))
    assert len(client.get(INSTANCES).json()) == 1


def test_nothing_there_is_404_and_no_uid_is_400(client: httpx.Client) -> None:
    assert client.delete(f"{STUDIES}/1.2.3").status_code == 404
    assert client.delete(f"{STUDIES}/nonsense").status_code == 400


def test_a_mount_that_lets_nothing_be_deleted_says_what_else_it_lets(client: httpx.Client) -> None:
    url = f"/aets/KEPT/studies/{uid(1)}"
    answer = client.delete(url)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert "KEPT" in answer.json()["error"]
    assert client.options(url).headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert client.options(f"{STUDIES}/{uid(1)}").headers["Allow"] == (
        "DELETE, GET, HEAD, OPTIONS, POST"
    )
    for mount, offered in (("KEPT", False), ("ARCHIVE", True)):
        said = client.options(f"/aets/{mount}", headers={"Accept": "application/json"}).json()
        (study,) = [each for each in said["resources"] if each["path"] == "/studies/{study}"]
        assert ("DELETE" in [each["name"] for each in study["methods"]]) == offered
    assert client.delete("/dicomweb/studies").status_code == 405


def test_readers_and_senders_of_what_is_deleted_get_clear_answers(client: httpx.Client) -> None:
    instances = [made(1, 1 + number % 3, number) for number in range(1, 31)]
    statuses: list[tuple[str, int]] = []
    over = threading.Event()
    url = f"{STUDIES}/{uid(1)}"

    def read(kind: str, path: str) -> None:
        with httpx.Client(base_url=client.base_url, trust_env=False, timeout=60) as mine:
            while not over.is_set():
                try:
                    statuses.append((kind, mine.get(path).status_code))
                except httpx.RemoteProtocolError:
                    statuses.append((kind, 0))  # cut off, as it was deleted meanwhile

    def store() -> None:
        with httpx.Client(base_url=client.base_url, trust_env=False, timeout=60) as mine:
            while not over.is_set():
                stored(mine, *instances)

    with ThreadPoolExecutor(4) as threads:
        tasks = [
            threads.submit(read, "retrieve", url),
            threads.submit(read, "metadata", url + "/metadata"),
            threads.submit(read, "search", INSTANCES),
            threads.submit(store),
        ]
        chance = random.Random(1)  # noqa: S311 - test data
        until = time.monotonic() + 5
        while time.monotonic() < until:
            time.sleep(chance.uniform(0, 0.05))
            statuses.append(("delete", client.delete(url).status_code))
        over.set()
        for task in tasks:
            task.result()
    assert {status for kind, status in statuses if kind == "retrieve"} <= {200, 206, 404, 0}
    assert {status for kind, status in statuses if kind == "metadata"} <= {200, 404}
    assert {status for kind, status in statuses if kind == "search"} == {200}
    assert {status for kind, status in statuses if kind == "delete"} <= {204, 404}
    assert ("delete", 204) in statuses
    stored(client, *instances)
    assert len(client.get(INSTANCES).json()) == len(instances)


@pytest.mark.slow
def test_kill_9_deletes_all_or_nothing_and_what_was_answered_stays_deleted(tmp_path: Path) -> None:
    config = peers.configuration(archive="delete = true")
    chance = random.Random(11)  # noqa: S311 - when to strike
    instances = [made(1, 1 + number % 3, number) for number in range(1, 301)]
    for _ in range(5):
        with (
            peers.hilum(tmp_path / "broker", config) as broker,
            httpx.Client(base_url=broker.root, trust_env=False, timeout=60) as client,
            ThreadPoolExecutor(1) as threads,
        ):
            if not client.get(STUDIES).json():
                stored(client, *instances)
            deleting = threads.submit(client.delete, f"{STUDIES}/{uid(1)}")
            time.sleep(chance.uniform(0.0, 0.15))
            broker.kill()
            try:
                answered = deleting.result().status_code == 204
            except httpx.TransportError:
                answered = False
        with (
            peers.hilum(tmp_path / "broker", config) as broker,
            httpx.Client(base_url=broker.root, trust_env=False, timeout=60) as client,
        ):
            there = len(client.get(INSTANCES).json())
            assert there in ({0} if answered else {0, len(instances)})
            assert len(list((broker.data / "archive").rglob("*.dcm"))) == there
