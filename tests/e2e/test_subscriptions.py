"""Who has subscribed is told of every study, whatever dies or is down; nobody else is."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests import fhir, peers
from tests.contract.made import dataset, uid
from tests.e2e.hooked import Receiver, receiving, until
from tests.e2e.test_issued import AUTH, token
from tests.e2e.test_publish import store

SECRET = "Bearer s3cr3t-of-the-hook"  # noqa: S105 - shown to nobody
KIND = {"Content-Type": "application/fhir+json"}


def running(
    receiver: str, folder: Path, max_age: str = "1 h", more: str = "", port: int = 0
) -> AbstractContextManager[peers.Hilum]:
    config = peers.configuration(
        archive="delete = true",
        more=(
            '[mounts.ARCHIVE.fhir]\nsubscriptions = true\nstable_after = "0.1 s"\n'
            f'[fhir.subscriptions]\nallow = ["{receiver}"]\nmax_age = "{max_age}"\n{more}'
        ),
    )
    config = config.replace('[http]\nbind = "127.0.0.1"\nport = 0', f"[http]\nport = {port}")
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


def root(broker: peers.Hilum, mount: str = "ARCHIVE") -> str:
    return f"{broker.root}/aets/{mount}/fhir/Subscription"


def subscribed(
    broker: peers.Hilum, wanted: dict[str, Any], mount: str = "ARCHIVE"
) -> dict[str, Any]:
    """It is made, and its endpoint has said yes."""
    answer = httpx.post(root(broker, mount), json=wanted, headers=KIND, timeout=60)
    made = fhir.read(answer, 201)
    assert made["status"] == "requested"
    where = f"{root(broker, mount)}/{made['id']}"
    assert answer.headers["location"] == where
    until(lambda: at(where)["status"] == "active")
    return at(where)


def at(where: str) -> dict[str, Any]:
    answer = httpx.get(where, timeout=60)
    assert SECRET not in answer.text
    return fhir.read(answer)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def broker(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Hilum]:
    port = peers.free_port()
    far = (
        f'[mounts.FAR]\nbackend = "dicomweb"\nurl = "http://127.0.0.1:{port}/aets/ARCHIVE"\n'
        '[mounts.FAR.fhir]\npoll = "0.5 s"\npoll_days = 1\n'
    )
    folder = tmp_path_factory.mktemp("subscriptions")
    with running(receiver.url, folder, more=far, port=port) as found:
        yield found
    assert SECRET not in found.said


@pytest.fixture(autouse=True)
def nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "broker" in request.fixturenames:
        broker = request.getfixturevalue("broker")
        for where in (root(broker), root(broker, "FAR")):
            for each in fhir.ids(fhir.read(httpx.get(where, timeout=60))):
                assert httpx.delete(f"{where}/{each}", timeout=60).status_code == 204
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


def test_who_wants_no_payload_is_told_that_there_is_something(
    broker: peers.Hilum, receiver: Receiver
) -> None:
    subscribed(broker, wish(receiver, "ImagingStudy?patient=none", channel={"payload": None}))
    subscribed(broker, wish(receiver, channel={"payload": None, "header": None}))
    receiver.told.clear()
    store(broker, dataset(4, 1, 1))
    until(lambda: receiver.told)
    (told,) = receiver.told
    assert (told.method, told.path, told.body) == ("POST", "/hook", b"")
    assert "authorization" not in told.headers


def test_a_deleted_study_and_a_subscription_at_its_end_are_not_told(
    broker: peers.Hilum, receiver: Receiver
) -> None:
    end = (datetime.now(UTC) + timedelta(seconds=2)).isoformat(timespec="seconds")
    short = subscribed(broker, wish(receiver, end=end, channel={"endpoint": f"{receiver.url}/end"}))
    subscribed(broker, wish(receiver))
    store(broker, dataset(5, 1, 1))
    until(lambda: receiver.of(uid(5)))
    receiver.told.clear()
    assert httpx.delete(f"{broker.dicomweb}/studies/{uid(5)}", timeout=60).status_code == 204
    until(lambda: at(f"{root(broker)}/{short['id']}")["status"] == "off")
    store(broker, dataset(6, 1, 1))
    until(lambda: receiver.of(uid(6)))
    assert {each.path for each in receiver.told} == {f"/hook/ImagingStudy/{uid(6)}"}


def test_it_is_read_changed_found_and_deleted(broker: peers.Hilum, receiver: Receiver) -> None:
    made = subscribed(broker, wish(receiver, "ImagingStudy?modality=CT"))
    where = f"{root(broker)}/{made['id']}"
    assert "header" not in made["channel"]
    with httpx.Client(timeout=60, headers=KIND) as client:
        tag = client.get(where).headers["etag"]
        assert client.get(where, headers={"If-None-Match": tag}).status_code == 304
        stale = client.put(where, json=made, headers={"If-Match": 'W/"1"'})
        fhir.read(stale, 412)
        receiver.told.clear()
        changed = {**made, "criteria": "ImagingStudy?modality=MR"}
        answer = client.put(where, json=changed, headers={"If-Match": tag})
        assert fhir.read(answer)["status"] == "requested"
        until(lambda: at(where)["status"] == "active")
        assert receiver.told[0].headers["authorization"] == SECRET  # as nobody could say it again

        for query, count in (
            *(("", 1), (f"_id={made['id']}", 1), ("status=active", 1), ("status=error", 0)),
            *(("type=rest-hook", 1), ("type=email", 0), (f"url={receiver.url}/hook", 1)),
            *((f"url={receiver.url}", 0), ("criteria=imagingstudy", 1), ("criteria=Patient", 0)),
            *(("payload=application/fhir%2Bjson", 1), ("contact=x", 0), ("_summary=count", 0)),
        ):
            found = client.get(f"{root(broker)}?{query}")
            assert SECRET not in found.text
            assert len(fhir.ids(fhir.read(found))) == count, query
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        posted = client.post(f"{root(broker)}/_search", content="status=active", headers=form)
        assert fhir.ids(fhir.read(posted)) == [made["id"]]
        fhir.read(
            client.get(f"{root(broker)}?nonsense=1", headers={"Prefer": "handling=strict"}), 400
        )

        off = client.put(where, json={**changed, "status": "off"})
        assert fhir.read(off)["status"] == "off"
        elsewhere = root(broker, "FAR")
        fhir.read(client.get(f"{elsewhere}/{made['id']}"), 404)
        assert client.delete(where).status_code == 204
        for method in ("GET", "DELETE"):
            fhir.read(client.request(method, where), 404)
        fhir.read(client.put(where, json=changed), 404)
        statement = fhir.read(client.get(f"{broker.root}/fhir/metadata"))
    (types,) = [each["resource"] for each in statement["rest"]]
    (ours,) = [each for each in types if each["type"] == "Subscription"]
    assert {each["code"] for each in ours["interaction"]} == {
        *("create", "read", "update", "delete", "search-type"),
    }


def test_what_cannot_be_done_is_refused(broker: peers.Hilum, receiver: Receiver) -> None:
    def refused(status: int, wanted: Any, kind: str = KIND["Content-Type"]) -> None:
        answer = httpx.post(
            root(broker), content=json.dumps(wanted), headers={"Content-Type": kind}, timeout=60
        )
        fhir.read(answer, status)
        assert SECRET not in answer.text

    refused(400, [])
    refused(400, {**wish(receiver), "reason": None})
    refused(400, {**wish(receiver), "status": "nonsense"})
    for criteria in (
        *("Patient?name=x", "ImagingStudy?nonsense=1", "ImagingStudy?started=yesterday"),
        *("ImagingStudy?_count=1", "ImagingStudy?_has:X:y:z=1", "ImagingStudy?modality:above=CT"),
    ):
        refused(400, wish(receiver, criteria))
    refused(422, wish(receiver, channel={"type": "websocket"}))
    refused(422, wish(receiver, channel={"payload": "application/fhir+xml"}))
    refused(422, wish(receiver, channel={"header": [f"X: {SECRET}\r\nY: 1"]}))
    for url in (
        *("http://169.254.169.254/latest", f"{receiver.url.replace('127.0.0.1', 'localhost')}/x"),
        *(f"{receiver.url}.example.org/", "file:///etc/passwd", "https://127.0.0.1/hook", ""),
        receiver.url.replace("//", "//a@"),
    ):
        refused(422, wish(receiver, channel={"endpoint": url}))
    refused(422, wish(receiver, end="2001-01-01T00:00:00Z"))
    refused(415, wish(receiver), "application/xml")
    refused(413, {**wish(receiver), "reason": "x" * 100_000})
    assert not receiver.told


def test_a_receiver_that_is_down_gets_it_when_it_is_up(
    broker: peers.Hilum, receiver: Receiver
) -> None:
    made = subscribed(broker, wish(receiver))
    receiver.status = 503
    store(broker, dataset(7, 1, 1))
    until(lambda: receiver.of(uid(7)))
    assert at(f"{root(broker)}/{made['id']}")["status"] == "active"
    receiver.status = 200
    count = len(receiver.of(uid(7)))
    until(lambda: len(receiver.of(uid(7))) > count)


def test_what_is_new_behind_a_mount_that_tells_nobody_is_told(
    broker: peers.Hilum, receiver: Receiver
) -> None:
    today = datetime.now(UTC).strftime("%Y%m%d")
    subscribed(broker, wish(receiver, "ImagingStudy?modality=CT"), "FAR")
    store(
        broker,
        dataset(8, 1, 1, Modality="CT", StudyDate=today),
        dataset(9, 1, 1, Modality="MR", StudyDate=today),
    )
    until(lambda: receiver.of(uid(8)))
    store(broker, dataset(8, 2, 1, Modality="CT", StudyDate=today))
    until(lambda: receiver.of(uid(8))[-1].resource["numberOfInstances"] == 2)
    assert fhir.valid(receiver.of(uid(8))[-1].resource)["numberOfSeries"] == 2
    assert not receiver.of(uid(9))


def test_nothing_is_lost_by_who_is_killed(tmp_path: Path) -> None:
    with receiving() as receiver:
        with running(receiver.url, tmp_path) as broker:
            subscribed(broker, wish(receiver))
            receiver.status = 503
            store(broker, dataset(1, 1, 1), dataset(2, 1, 1))
            broker.kill()
        receiver.told.clear()
        receiver.status = 200
        with running(receiver.url, tmp_path):
            until(lambda: receiver.of(uid(1)) and receiver.of(uid(2)))


def test_who_fails_for_good_is_in_error_until_it_is_asked_for_again(tmp_path: Path) -> None:
    with receiving() as receiver, running(receiver.url, tmp_path, max_age="0.1 s") as broker:
        made = subscribed(broker, wish(receiver))
        where = f"{root(broker)}/{made['id']}"
        receiver.status = 307
        store(broker, dataset(1, 1, 1))
        until(lambda: at(where)["status"] == "error")
        assert at(where)["error"] == "the endpoint answered 307"
        assert "/hook/elsewhere" not in {each.path for each in receiver.told}
        assert "/elsewhere" not in {each.path for each in receiver.told}
        store(broker, dataset(2, 1, 1))
        receiver.status = 200
        receiver.told.clear()
        again = httpx.put(where, json={**made, "status": "requested"}, headers=KIND, timeout=60)
        fhir.read(again)
        until(lambda: receiver.of(uid(1)))
        assert at(where)["status"] == "active"
        assert "error" not in at(where)
        receiver.status = 410
        store(broker, dataset(3, 1, 1))
        until(lambda: at(where)["status"] == "error")
        gone = wish(receiver, channel={"endpoint": f"{receiver.url}/gone"})
        answer = httpx.post(root(broker), json=gone, headers=KIND, timeout=60)
        refused = f"{root(broker)}/{fhir.read(answer, 201)['id']}"
        until(lambda: at(refused)["status"] == "error")
    assert SECRET not in broker.said


def test_it_is_told_to_its_owner_only_and_as_long_as_he_may(tmp_path: Path) -> None:
    with receiving() as receiver, running(receiver.url, tmp_path, more=AUTH) as broker:

        def shown(name: str, may: str) -> httpx.Client:
            made = token(broker.config, "create", name, "--may", may)["token"]
            return httpx.Client(headers={**KIND, "Authorization": f"Bearer {made}"}, timeout=60)

        with (
            shown("eve", "query,subscribe,store") as eve,
            shown("bob", "query,subscribe") as bob,
            shown("blind", "subscribe") as blind,
            shown("admin", "query,subscribe,admin") as admin,
        ):
            fhir.read(blind.post(root(broker), json=wish(receiver)), 403)
            where = eve.post(root(broker), json=wish(receiver)).headers["location"]
            until(lambda: eve.get(where).json()["status"] == "active")
            assert fhir.ids(fhir.read(bob.get(root(broker)))) == []
            for method in ("GET", "PUT", "DELETE"):
                fhir.read(bob.request(method, where, json=wish(receiver)), 404)
            assert len(fhir.ids(fhir.read(admin.get(root(broker))))) == 1
            store(broker, dataset(1, 1, 1), by=eve)
            until(lambda: receiver.of(uid(1)))
            token(broker.config, "revoke", "eve")
            store(broker, dataset(2, 1, 1), by=eve)  # which is believed for some seconds yet
            until(lambda: fhir.read(admin.get(where))["status"] == "error")
            said = fhir.read(admin.get(where))["error"]
            assert said == "its owner may no longer search there"
            assert not receiver.of(uid(2))
    assert SECRET not in broker.said
