"""C-FIND by pynetdicom and findscu, against both backends that search."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from tests import peers
from tests.frontends.dimse.served import HOST, Server, scu, send, serving, study

from hilum.codec.sop_class import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    PATIENT_ROOT_FIND,
    STUDY_ROOT_FIND,
)
from hilum.core.backend import Found
from hilum.model.match import Match
from hilum.model.query import Path, Query

PENDING, SUCCESS, CANCELLED, MISMATCH = 0xFF00, 0x0000, 0xFE00, 0xA900
WITHOUT_OPTIONAL_KEYS = 0xFF01


def relational(uid: str) -> SOPClassExtendedNegotiation:
    """Relational queries asked for."""
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = uid, b"\1\0\0"
    return item


def find(  # noqa: PLR0913 - a query has that many sides
    server: Server,
    level: str,
    *,
    model: str = STUDY_ROOT_FIND,
    syntax: str = EXPLICIT_LE,
    agree: bool = False,
    called: str = "HILUM",
    **keys: object,
) -> tuple[list[Dataset], int]:
    """The matches, and the final status."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    more = {"ext_neg": [relational(model)]} if agree else {}
    with scu(server, (model, [syntax]), called=called, **more) as association:
        answers = list(association.send_c_find(identifier, model))
    assert all(status.Status == PENDING for status, _ in answers[:-1])
    return [match for _, match in answers[:-1]], int(answers[-1][0].Status)


@pytest.fixture
def filled(server: Server) -> Server:
    """Two studies of two patients."""
    send(server, study(series=2, instances=3))
    send(
        server,
        study(
            uid="1.2.3.2", series=1, instances=1, PatientName="Müller^Jörg", PatientID="P2",
            SpecificCharacterSet="ISO_IR 192", StudyDate="20210601", Modality="MR",
        ),
    )  # fmt: skip
    return server


@pytest.mark.parametrize("syntax", [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE])
def test_answers_carry_what_the_standard_wants(filled: Server, syntax: str) -> None:
    (match,), status = find(
        filled, "STUDY", syntax=syntax, PatientName="doe^*", StudyDate="", ModalitiesInStudy="",
        NumberOfStudyRelatedInstances="", InstitutionName="",
    )  # fmt: skip
    assert status == SUCCESS
    assert match.QueryRetrieveLevel == "STUDY"
    assert (match.RetrieveAETitle, match.InstanceAvailability) == ("HILUM", "ONLINE")
    assert match.SpecificCharacterSet == "ISO_IR 100"
    assert (match.PatientName, match.StudyDate) == ("Doe^Jane", "20200131")
    assert (match.ModalitiesInStudy, match.NumberOfStudyRelatedInstances) == ("CT", 6)
    assert match.StudyInstanceUID == "1.2.3.1"
    assert match["InstitutionName"].is_empty
    assert "AccessionNumber" not in match


@pytest.mark.parametrize(
    ("model", "level", "keys", "count"),
    [
        (PATIENT_ROOT_FIND, "PATIENT", {"PatientID": ""}, 2),
        (PATIENT_ROOT_FIND, "STUDY", {"PatientID": "P1"}, 1),
        (PATIENT_ROOT_FIND, "SERIES", {"PatientID": "P1", "StudyInstanceUID": "1.2.3.1"}, 2),
        (
            PATIENT_ROOT_FIND,
            "IMAGE",
            {
                "PatientID": "P1",
                "StudyInstanceUID": "1.2.3.1",
                "SeriesInstanceUID": "1.2.3.1.2",
            },
            3,
        ),
        (STUDY_ROOT_FIND, "STUDY", {"StudyInstanceUID": ""}, 2),
        (STUDY_ROOT_FIND, "STUDY", {"StudyInstanceUID": ["1.2.3.1", "1.2.3.2", "9"]}, 2),
        (STUDY_ROOT_FIND, "STUDY", {"StudyDate": "20210101-"}, 1),
        (STUDY_ROOT_FIND, "STUDY", {"ModalitiesInStudy": "MR"}, 1),
        (STUDY_ROOT_FIND, "STUDY", {"PatientName": "muller*"}, 1),
        (STUDY_ROOT_FIND, "STUDY", {"PatientName": "*"}, 2),
        (STUDY_ROOT_FIND, "STUDY", {"PatientID": "nobody"}, 0),
        (STUDY_ROOT_FIND, "SERIES", {"StudyInstanceUID": "1.2.3.1", "SeriesNumber": 2}, 1),
        (
            STUDY_ROOT_FIND,
            "IMAGE",
            {
                "StudyInstanceUID": "1.2.3.1",
                "SeriesInstanceUID": "1.2.3.1.1",
                "SOPInstanceUID": "1.2.3.1.1.2",
            },
            1,
        ),
    ],
)
def test_every_level_of_both_models_is_searched(
    filled: Server, model: str, level: str, keys: dict[str, object], count: int
) -> None:
    matches, status = find(filled, level, model=model, **keys)
    assert (len(matches), status) == (count, SUCCESS)
    assert {match.QueryRetrieveLevel for match in matches} <= {level}


def test_names_beyond_latin_1_come_as_utf_8(server: Server) -> None:
    send(
        server,
        study(series=1, instances=1, PatientName="山田^太郎", SpecificCharacterSet="ISO_IR 192"),
    )
    (match,), _ = find(server, "STUDY", PatientName="", PatientID="")
    assert (match.SpecificCharacterSet, match.PatientName) == ("ISO_IR 192", "山田^太郎")


def test_the_answer_keeps_to_the_character_set_of_the_question(filled: Server) -> None:
    (match,), _ = find(
        filled, "STUDY", SpecificCharacterSet="ISO_IR 192", PatientName="MÜLLER^JÖRG"
    )
    assert (match.SpecificCharacterSet, match.PatientName) == ("ISO_IR 192", "Müller^Jörg")


def test_a_sequence_is_matched_and_cut_to_what_was_asked(server: Server) -> None:
    item, other = Dataset(), Dataset()
    item.RequestedProcedureID, item.ScheduledProcedureStepID = "RP1", "SPS1"
    other.RequestedProcedureID = "RP2"
    send(server, study(series=1, instances=1, RequestAttributesSequence=Sequence([item])))
    send(
        server,
        study(uid="1.2.3.9", series=1, instances=1, RequestAttributesSequence=Sequence([other])),
    )
    key = Dataset()
    key.RequestedProcedureID = "RP1"
    (match,), _ = find(
        server, "SERIES", agree=True, SeriesInstanceUID="",
        RequestAttributesSequence=Sequence([key]),
    )  # fmt: skip
    assert match.StudyInstanceUID == "1.2.3.1"
    (found,) = match.RequestAttributesSequence
    assert found.RequestedProcedureID == "RP1"
    assert "ScheduledProcedureStepID" not in found


def test_without_relational_queries_the_keys_above_are_needed(filled: Server) -> None:
    assert find(filled, "SERIES", SeriesInstanceUID="") == ([], MISMATCH)
    assert find(filled, "IMAGE", StudyInstanceUID="1.2.3.1") == ([], MISMATCH)
    assert find(filled, "PATIENT", PatientID="") == ([], MISMATCH)
    matches, status = find(filled, "SERIES", agree=True, Modality="CT")
    assert (len(matches), status) == (2, SUCCESS)
    matches, status = find(filled, "IMAGE", agree=True, PatientName="Doe*")
    assert (len(matches), status) == (6, SUCCESS)


def test_an_unknown_level_is_a_mismatch(filled: Server) -> None:
    assert find(filled, "FRAME", PatientID="P1") == ([], MISMATCH)


def test_each_mount_answers_for_itself() -> None:
    with serving(mounts=("ARCHIVE", "OTHER")) as server:
        send(server, study(series=1, instances=1), called="OTHER")
        (match,), _ = find(server, "STUDY", called="OTHER", PatientID="")
        assert match.RetrieveAETitle == "OTHER"
        assert {type(each).__name__: each.mount for each in server.asked} == {
            "Store": "OTHER",
            "Find": "OTHER",
        }


class _Endless:
    """Finds one study again and again; the block's end is seen."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.given = 0
        self.unmatched: set[Path] = set()

    @asynccontextmanager
    async def find(self, _query: Query, /) -> AsyncIterator[Found]:
        try:
            yield Found(self._matches(), unmatched=self.unmatched)
        finally:
            self.left.set()

    async def _matches(self) -> AsyncIterator[Match]:
        while True:
            self.given += 1
            yield self  # type: ignore[misc]  # it is its own match
            await asyncio.sleep(0.01 if self.given < 5 else 3600)

    def decoded(self) -> dict[str, object]:
        return dict(orjson.loads(self.dicom_json()))

    def dicom_json(self, _root: str | None = None) -> bytes:
        return b'{"0020000D":{"vr":"UI","Value":["1.2"]}}'


def test_a_cancel_ends_a_search_that_would_never_end() -> None:
    endless: list[_Endless] = []

    @asynccontextmanager
    async def opened() -> AsyncIterator[_Endless]:
        endless.append(_Endless())
        yield endless[0]

    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.StudyInstanceUID = "STUDY", ""
    with serving(opened) as server, scu(server, (STUDY_ROOT_FIND, [EXPLICIT_LE])) as association:
        answers = association.send_c_find(identifier, STUDY_ROOT_FIND, msg_id=7)
        status, _ = next(answers)
        assert status.Status == PENDING
        association.send_c_cancel(7, None, STUDY_ROOT_FIND)
        assert [status.Status for status, _ in answers][-1] == CANCELLED
        assert endless[0].left.is_set()


def test_a_key_that_nobody_matched_is_told_of_in_the_status() -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[_Endless]:
        endless = _Endless()
        endless.unmatched.add((0x0008_1030,))
        yield endless

    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.StudyDescription = "STUDY", "CHEST"
    with serving(opened) as server, scu(server, (STUDY_ROOT_FIND, [EXPLICIT_LE])) as association:
        answers = association.send_c_find(identifier, STUDY_ROOT_FIND, msg_id=7)
        status, match = next(answers)
        assert status.Status == WITHOUT_OPTIONAL_KEYS
        assert match.StudyInstanceUID == "1.2"
        association.send_c_cancel(7, None, STUDY_ROOT_FIND)
        assert [status.Status for status, _ in answers][-1] == CANCELLED


def test_findscu_finds(filled: Server) -> None:
    done = peers.run(
        [
            peers.dcmtk("findscu"), "-S", "-aet", "PEER", "-aec", "HILUM", HOST, str(filled.port),
            "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=DOE*", "-k", "StudyInstanceUID",
        ]
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "UI [1.2.3.1" in done.stdout
    assert "1.2.3.2" not in done.stdout
