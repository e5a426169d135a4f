"""Who has subscribed is told of every study, whatever dies or is down; nobody else is."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests import fhir, peers
from tests.contract.made import dataset, uid
from tests.e2e.hooked import Receiver, receiving, until
from tests.e2e.test_publish import store

SECRET = "Bearer s3cr3t-of-the-hook"  # noqa: S105 - shown to nobody
KIND = {"Content-Type": "application/fhir+json"}


def running(
    receiver: str, folder: Path, max_age: str = "1 h"
) -> AbstractContextManager[peers.Hilum]:
    config = peers.configuration(
        archive="delete = true",
        more=(
            '[mounts.ARCHIVE.fhir]\nsubscriptions = true\nstable_after = "0.1 s"\n'
            f'[fhir.subscriptions]\nallow = ["{receiver}"]\nmax_age = "{max_age}"\n'
        ),
    )
    return peers.hilum(folder, config)


def wish(receiver: Receiver | str, criteria: str = "ImagingStudy", **more: Any) -> dict[str, Any]:
    url = receiver if isinstance(receiver, str) else receiver.url
    channel = {
        "type": "rest-hook",
        "endpoint": f"{url}/hook",
        "payload": "application/fhir+json",
        "header": [f"Authorization: {SECRET}"],
        **more.pop("channel", {}),
    }
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "to know",
        "criteria": criteria,
        "channel": {name: each for name, each in channel.items() if each is not None},
        **more,
    }


def root(broker: peers.Hilum) -> str:
    return f"{broker.root}/fhir/Subscription"


def subscribed(broker: peers.Hilum, wanted: dict[str, Any]) -> dict[str, Any]:
    """It is made, and its endpoint has said yes."""
    with httpx.Client(timeout=60) as client:
        answer = client.post(root(broker), json=wanted, headers=KIND)
        made = fhir.read(answer, 201)
        assert made["status"] == "requested"
        assert answer.headers["location"] == f"{root(broker)}/{made['id']}"
        until(lambda: state(broker, made)["status"] == "active")
    return state(broker, made)


def state(broker: peers.Hilum, made: dict[str, Any]) -> dict[str, Any]:
    return fhir.read(httpx.get(f"{root(broker)}/{made['id']}", timeout=60))


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def broker(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Hilum]:
    with running(receiver.url, tmp_path_factory.mktemp("subscriptions")) as found:
        yield found
    assert SECRET not in found.said


@pytest.fixture(autouse=True)
def nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "broker" in request.fixturenames:
        broker = request.getfixturevalue("broker")
        for each in fhir.ids(fhir.read(httpx.get(root(broker), timeout=60))):
            assert httpx.delete(f"{root(broker)}/{each}", timeout=60).status_code == 204
        request.getfixturevalue("receiver").told.clear()
        request.getfixturevalue("receiver").status = 200


def test_a_study_that_is_looked_for_is_told(broker: peers.Hilum, receiver: Receiver) -> None:
    subscribed(broker, wish(receiver, "ImagingStudy?modality=CT&patient.identifier=P1"))
    (handshake,) = receiver.told
    assert (handshake.method, handshake.path, handshake.body) == ("POST", "/hook", b"")
    assert handshake.headers["authorization"] == SECRET
    store(
        broker,
        dataset(1, 1, 1, Modality="CT"),
        dataset(2, 1, 1, Modality="MR"),
        dataset(3, 1, 1, Modality="CT", PatientID="P2"),
    )
    until(lambda: receiver.of(uid(1)))
    told = receiver.of(uid(1))[0]
    assert (told.method, told.headers["content-type"]) == ("PUT", "application/fhir+json")
    assert told.headers["authorization"] == SECRET
    study = fhir.valid(told.resource)
    assert study["numberOfInstances"] == 1
    assert study["series"][0]["modality"]["code"] == "CT"
    whose = httpx.get(study["subject"]["reference"], timeout=60)
    assert fhir.read(whose)["resourceType"] == "Patient"
    store(broker, dataset(1, 1, 2, Modality="CT"))
    until(lambda: receiver.of(uid(1))[-1].resource["numberOfInstances"] == 2)
    assert not receiver.of(uid(2)) + receiver.of(uid(3))
