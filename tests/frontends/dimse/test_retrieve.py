"""C-GET and C-MOVE by pynetdicom, getscu and movescu."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from tests import peers
from tests.frontends.dimse.served import CT, HOST, Server, ct, encoded, scu, send, serving, study

from hilum.codec.sop_class import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)

JPEG = "1.2.840.10008.1.2.4.70"
SUCCESS, PENDING, CANCELLED, SOME_FAILED = 0x0000, 0xFF00, 0xFE00, 0xB000
ALL_FAILED, UNKNOWN_DESTINATION, MISMATCH = 0xA702, 0xA801, 0xA900

LEVELS = [
    ("PATIENT", {"PatientID": "P1"}, 4),
    ("STUDY", {"StudyInstanceUID": "1.2.3.1"}, 4),
    ("STUDY", {"StudyInstanceUID": ["1.2.3.1", "1.2.3.2"]}, 5),
    ("SERIES", {"StudyInstanceUID": "1.2.3.1", "SeriesInstanceUID": "1.2.3.1.2"}, 2),
    (
        "IMAGE",
        {
            "StudyInstanceUID": "1.2.3.1",
            "SeriesInstanceUID": "1.2.3.1.1",
            "SOPInstanceUID": ["1.2.3.1.1.1", "1.2.3.1.1.2"],
        },
        2,
    ),
    ("IMAGE", {"SOPInstanceUID": "1.2.3.1.1.1"}, 1),
    ("STUDY", {"StudyInstanceUID": "9.9"}, 0),
]


def asked(level: str, **keys: object) -> Dataset:
    """The identifier."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


class Sink:
    """What takes the sub-operations: data set, syntax and message of each."""

    def __init__(self, statuses: Sequence[int] = ()) -> None:
        self.got: list[tuple[bytes, str, object]] = []
        self.statuses = list(statuses)

    def __call__(self, event: evt.Event) -> int:
        data = event.request.DataSet.getvalue()
        self.got.append((data, str(event.context.transfer_syntax), event.request))
        return self.statuses.pop(0) if self.statuses else SUCCESS


def get(  # noqa: PLR0913 - a retrieval has that many sides
    server: Server,
    sink: Sink,
    identifier: Dataset,
    *,
    model: str = STUDY_ROOT_GET,
    syntaxes: Sequence[str] = (EXPLICIT_LE,),
    cancel_after: int = 0,
) -> list[tuple[Dataset, Dataset | None]]:
    """All responses to one C-GET."""
    with scu(
        server, (model, [EXPLICIT_LE]), (CT, syntaxes),
        ext_neg=[build_role(CT, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, sink)],
    ) as association:  # fmt: skip
        answers = []
        for answer in association.send_c_get(identifier, model, msg_id=3):
            answers.append(answer)
            if cancel_after and len(answers) == cancel_after:
                association.send_c_cancel(3, None, model)
        return answers


@pytest.fixture
def filled(server: Server) -> Server:
    """Two studies of two patients."""
    send(server, study(series=2, instances=2))
    send(server, study(uid="1.2.3.2", series=1, instances=1, PatientID="P2"))
    return server


@pytest.mark.parametrize(("level", "keys", "count"), LEVELS)
def test_c_get_gives_what_is_below(
    filled: Server, level: str, keys: dict[str, object], count: int
) -> None:
    sink = Sink()
    model = PATIENT_ROOT_GET if level == "PATIENT" else STUDY_ROOT_GET
    answers = get(filled, sink, asked(level, **keys), model=model)
    status = answers[-1][0]
    assert status.Status == SUCCESS
    assert status.NumberOfCompletedSuboperations == count == len(sink.got)
    assert (status.NumberOfFailedSuboperations, status.NumberOfWarningSuboperations) == (0, 0)
    assert "NumberOfRemainingSuboperations" not in status
    for at, (pending, _) in enumerate(answers[:-1], 1):
        assert pending.Status == PENDING
        assert pending.NumberOfCompletedSuboperations == at
        assert pending.NumberOfRemainingSuboperations == count - at


def test_of_many_sub_operations_not_each_is_told_of_and_what_is_told_is_true(
    server: Server,
) -> None:
    send(server, study(series=1, instances=70))
    answers = get(server, Sink(), asked("STUDY", StudyInstanceUID="1.2.3.1"))
    told = [
        (status.NumberOfCompletedSuboperations, status.NumberOfRemainingSuboperations)
        for status, _ in answers[:-1]
    ]
    assert told[:50] == [(done, 70 - done) for done in range(1, 51)]
    assert told == sorted(told)
    assert all(done + left == 70 for done, left in told)
    assert answers[-1][0].NumberOfCompletedSuboperations == 70


def test_data_sets_come_back_as_they_were_sent(server: Server) -> None:
    slices = study(series=1, instances=2)
    send(server, slices)
    sink = Sink()
    get(server, sink, asked("STUDY", StudyInstanceUID="1.2.3.1"))
    assert sorted(data for data, _, _ in sink.got) == sorted(encoded(each) for each in slices)


@pytest.mark.parametrize("kept", [EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE])
@pytest.mark.parametrize("wanted", [EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE])
def test_uncompressed_pixels_go_out_in_the_syntax_that_was_accepted(
    server: Server, kept: str, wanted: str
) -> None:
    dataset = ct()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(kept)
    send(server, [dataset])
    sink = Sink()
    answers = get(server, sink, asked("STUDY", StudyInstanceUID="1.2.3.1"), syntaxes=[wanted])
    assert answers[-1][0].Status == SUCCESS
    ((data, syntax, _),) = sink.got
    assert syntax == wanted
    file = pydicom.filebase.DicomBytesIO(data)
    back = pydicom.filereader.read_dataset(file, wanted == IMPLICIT_LE, wanted != EXPLICIT_BE)
    assert (back.PatientName, back.Rows, back.StudyInstanceUID) == ("Doe^Jane", 4, "1.2.3.1")
    words = bytes(range(32))
    swapped = b"".join(words[at : at + 2][::-1] for at in range(0, 32, 2))
    same = (kept == EXPLICIT_BE) == (wanted == EXPLICIT_BE)
    assert back.PixelData == (words if same else swapped)


def test_what_cannot_be_re_encoded_fails_alone_and_says_why(server: Server) -> None:
    good, compressed = ct(SOPInstanceUID="1.2.3.1.1.1"), ct(SOPInstanceUID="1.2.3.1.1.2")
    compressed.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
    compressed["PixelData"].VR = "OB"
    compressed["PixelData"].is_undefined_length = True
    compressed.file_meta.TransferSyntaxUID = pydicom.uid.UID(JPEG)
    send(server, [good, compressed])
    sink = Sink()
    answers = get(server, sink, asked("STUDY", StudyInstanceUID="1.2.3.1"))
    status, failed = answers[-1]
    assert status.Status == SOME_FAILED
    assert (status.NumberOfCompletedSuboperations, status.NumberOfFailedSuboperations) == (1, 1)
    assert JPEG in status.ErrorComment
    assert failed is not None
    assert failed.FailedSOPInstanceUIDList == "1.2.3.1.1.2"


def test_failures_and_warnings_of_the_peer_are_counted(filled: Server) -> None:
    sink = Sink([0xA700, 0xB007, SUCCESS, SUCCESS])
    status, failed = get(filled, sink, asked("STUDY", StudyInstanceUID="1.2.3.1"))[-1]
    assert status.Status == SOME_FAILED
    assert status.NumberOfCompletedSuboperations == 2
    assert status.NumberOfFailedSuboperations == 1
    assert status.NumberOfWarningSuboperations == 1
    assert failed is not None
    assert failed.FailedSOPInstanceUIDList == sink.got[0][2].AffectedSOPInstanceUID


def test_when_all_fail_the_status_says_so(filled: Server) -> None:
    status, failed = get(filled, Sink([0xC000] * 4), asked("STUDY", StudyInstanceUID="1.2.3.1"))[-1]
    assert (status.Status, status.NumberOfFailedSuboperations) == (ALL_FAILED, 4)
    assert failed is not None
    assert len(failed.FailedSOPInstanceUIDList) == 4


def test_a_cancel_stops_after_the_sub_operation_under_way(server: Server) -> None:
    send(server, study(series=1, instances=40))
    sink = Sink()
    answers = get(server, sink, asked("STUDY", StudyInstanceUID="1.2.3.1"), cancel_after=2)
    status = answers[-1][0]
    assert status.Status == CANCELLED
    assert status.NumberOfCompletedSuboperations == len(sink.got) < 40
    assert status.NumberOfRemainingSuboperations == 40 - len(sink.got)


@pytest.mark.parametrize(
    "identifier",
    [
        asked("STUDY"),
        asked("PATIENT", PatientID="P1"),
        asked("FRAME", StudyInstanceUID="1.2"),
    ],
    ids=["no key", "a level of the other model", "an unknown level"],
)
def test_what_names_nothing_is_a_mismatch(filled: Server, identifier: Dataset) -> None:
    answers = get(filled, Sink(), identifier)
    assert [status.Status for status, _ in answers] == [MISMATCH]


# -- C-MOVE ----------------------------------------------------------------------------------------


@contextmanager
def receiver(sink: Sink, syntaxes: Sequence[str] = (EXPLICIT_LE, IMPLICIT_LE)) -> Iterator[int]:
    """A storage SCP of pynetdicom's; gives its port."""
    ae = AE("DEST")
    ae.add_supported_context(CT, list(syntaxes))
    running = ae.start_server((HOST, 0), block=False, evt_handlers=[(evt.EVT_C_STORE, sink)])
    try:
        yield int(running.server_address[1])
    finally:
        running.shutdown()


def move(
    server: Server, identifier: Dataset, destination: str = "DEST", model: str = STUDY_ROOT_MOVE
) -> list[tuple[Dataset, Dataset | None]]:
    """All responses to one C-MOVE."""
    with scu(server, (model, [EXPLICIT_LE])) as association:
        return list(association.send_c_move(identifier, destination, model, msg_id=9))


@pytest.mark.parametrize(("level", "keys", "count"), LEVELS)
def test_c_move_sends_what_is_below(level: str, keys: dict[str, object], count: int) -> None:
    sink = Sink()
    with receiver(sink) as port, serving(peers={"DEST": port}) as server:
        send(server, study(series=2, instances=2))
        send(server, study(uid="1.2.3.2", series=1, instances=1, PatientID="P2"))
        model = PATIENT_ROOT_MOVE if level == "PATIENT" else STUDY_ROOT_MOVE
        answers = move(server, asked(level, **keys), model=model)
    status = answers[-1][0]
    assert (status.Status, status.NumberOfCompletedSuboperations) == (SUCCESS, count)
    assert len(sink.got) == count
    for _, _, request in sink.got:
        assert request.MoveOriginatorApplicationEntityTitle == "PEER"  # type: ignore[attr-defined]
        assert request.MoveOriginatorMessageID == 9  # type: ignore[attr-defined]


def test_an_unknown_destination_is_named_so() -> None:
    with serving() as server:
        send(server, study(series=1, instances=1))
        answers = move(server, asked("STUDY", StudyInstanceUID="1.2.3.1"), "NOBODY")
    assert [status.Status for status, _ in answers] == [UNKNOWN_DESTINATION]


def test_when_nobody_listens_all_sub_operations_failed() -> None:
    with serving(peers={"DEST": peers.free_port()}) as server:
        send(server, study(series=1, instances=3))
        status, failed = move(server, asked("STUDY", StudyInstanceUID="1.2.3.1"))[-1]
    assert (status.Status, status.NumberOfFailedSuboperations) == (ALL_FAILED, 3)
    assert failed is not None
    assert len(failed.FailedSOPInstanceUIDList) == 3


def test_a_destination_that_refuses_some_makes_a_warning() -> None:
    sink = Sink([SUCCESS, 0xA700, SUCCESS])
    with receiver(sink) as port, serving(peers={"DEST": port}) as server:
        send(server, study(series=1, instances=3))
        status, failed = move(server, asked("STUDY", StudyInstanceUID="1.2.3.1"))[-1]
    assert status.Status == SOME_FAILED
    assert (status.NumberOfCompletedSuboperations, status.NumberOfFailedSuboperations) == (2, 1)
    assert failed is not None


def test_a_destination_gets_the_syntax_it_accepts() -> None:
    sink = Sink()
    with receiver(sink, [IMPLICIT_LE]) as port, serving(peers={"DEST": port}) as server:
        send(server, [ct()])
        status, _ = move(server, asked("STUDY", StudyInstanceUID="1.2.3.1"))[-1]
    assert status.Status == SUCCESS
    assert [syntax for _, syntax, _ in sink.got] == [IMPLICIT_LE]


def test_a_mount_is_a_destination_too() -> None:
    with serving(mounts=("ARCHIVE", "OTHER")) as server:
        send(server, study(series=1, instances=2))
        status, _ = move(server, asked("STUDY", StudyInstanceUID="1.2.3.1"), "OTHER")[-1]
        assert (status.Status, status.NumberOfCompletedSuboperations) == (SUCCESS, 2)


def test_getscu_gets_and_movescu_moves(tmp_path: Path) -> None:
    getscu, movescu = peers.dcmtk("getscu"), peers.dcmtk("movescu")
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3.1"]
    with (
        peers.storescp(tmp_path / "moved", aet="DEST") as destination,
        serving(peers={"DEST": destination.port}) as server,
    ):
        send(server, study(series=2, instances=2))
        common = ["-S", "-aet", "PEER", "-aec", "HILUM", HOST, str(server.port), *keys]
        (tmp_path / "got").mkdir()
        done = peers.run([getscu, "-od", tmp_path / "got", *common])
        assert done.returncode == 0, done.stdout
        assert len(list((tmp_path / "got").iterdir())) == 4
        done = peers.run([movescu, "-aem", "DEST", *common])
        assert done.returncode == 0, done.stdout
        until = time.monotonic() + 10
        while len(destination.files()) < 4 and time.monotonic() < until:
            time.sleep(0.05)
        assert len(destination.files()) == 4
