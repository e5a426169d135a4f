import logging
import time
from io import BytesIO
from pathlib import Path
from typing import Self

import pydicom
import pytest
from pynetdicom import build_role
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from tests import peers, samples
from tests.frontends.dimse.served import (
    CT,
    HOST,
    Server,
    ct,
    encoded,
    exchange,
    scu,
    send,
    serving,
    settle,
    store,
    study,
)

from hilum.codec.sop_class import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, STUDY_ROOT_FIND
from hilum.codec.verdict import Dimse
from hilum.core.operations import Originator, Store
from hilum.model.errors import BackendUnavailable

PRIVATE = "1.3.12.2.1107.5.9.1"


def kept(server: Server) -> dict[str, tuple[bytes, str]]:
    """SOP Instance UID -> the data set and its syntax, in a server that keeps them in memory."""
    return {uid: (each.data, each.transfer_syntax_uid) for uid, each in server.behind._kept.items()}


@pytest.mark.parametrize("syntax", [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE])
def test_a_data_set_is_kept_as_it_came(syntax: str) -> None:
    dataset = ct()
    data = encoded(dataset, syntax)
    with serving() as server, scu(server, (CT, [syntax])) as association:
        assert raw_store(association, dataset.SOPInstanceUID, data) == 0
        assert kept(server) == {dataset.SOPInstanceUID: (data, syntax)}


def raw_store(
    association: Association, uid: str, data: bytes, *, sop_class: str = CT, comment: bool = False
) -> int | str:
    """A C-STORE of bytes as they are; its status, or its comment."""
    request = C_STORE()
    request.MessageID, request.Priority = 1, 0
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, uid
    request.DataSet = BytesIO(data)
    context = association.accepted_contexts[0].context_id
    answer = exchange(association, request, context)
    assert answer.MessageIDBeingRespondedTo == 1
    assert answer.AffectedSOPInstanceUID == uid
    return answer.ErrorComment if comment else answer.Status


@pytest.mark.parametrize("path", samples.GOOD[:40], ids=lambda path: path.name)
def test_sample_files_are_kept_byte_for_byte(path: Path) -> None:
    meta = pydicom.dcmread(
        path, stop_before_pixels=True, specific_tags=["SOPClassUID", "SOPInstanceUID"]
    )
    syntax = str(meta.file_meta.TransferSyntaxUID)
    whole = path.read_bytes()
    data = whole[_data_begins(path) :]
    with serving() as server, scu(server, (str(meta.SOPClassUID), [syntax])) as association:
        status = raw_store(association, meta.SOPInstanceUID, data, sop_class=meta.SOPClassUID)
        assert status in (0, 0xB007)
        assert kept(server) == {meta.SOPInstanceUID: (data, syntax)}


def _data_begins(path: Path) -> int:
    with path.open("rb") as file:
        pydicom.filereader.read_preamble(file, force=False)
        pydicom.filereader._read_file_meta_info(file)
        return file.tell()


def test_what_was_kept_is_kept_again_and_another_is_refused(server: Server) -> None:
    dataset, other = ct(SOPInstanceUID="1.2.3"), ct(SOPInstanceUID="1.2.3", Rows=2)
    assert send(server, [dataset, dataset, other, dataset]) == [0, 0, 0xC111, 0]


def test_private_classes_and_syntaxes_are_taken(server: Server) -> None:
    dataset = ct(SOPClassUID=PRIVATE)
    syntax = "1.2.840.113619.5.2"
    with scu(server, (PRIVATE, [syntax])) as association:
        data = encoded(dataset, IMPLICIT_LE)
        assert raw_store(association, dataset.SOPInstanceUID, data, sop_class=PRIVATE) in (
            0,
            0xB007,
        )


def test_classes_and_syntaxes_may_be_limited() -> None:
    with serving(sop_classes=(CT,), transfer_syntaxes=(EXPLICIT_LE,)) as server:
        contexts = [(CT, [IMPLICIT_LE]), (CT, [EXPLICIT_LE]), (PRIVATE, [EXPLICIT_LE])]
        with scu(server, *contexts) as association:
            accepted = [
                (each.abstract_syntax, each.transfer_syntax)
                for each in association.accepted_contexts
            ]
            assert accepted == [(CT, [EXPLICIT_LE])]
            assert sorted(each.result for each in association.rejected_contexts) == [3, 4]


@pytest.mark.parametrize(
    "changes",
    [{"SOPInstanceUID": "1.9.9"}, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}],
    ids=["instance", "class"],
)
def test_a_data_set_that_is_not_what_was_announced_is_refused(
    server: Server, changes: dict[str, str]
) -> None:
    with scu(server, (CT, [EXPLICIT_LE])) as association:
        assert raw_store(association, "1.2.3", encoded(ct(**changes))) == 0xA900
        assert raw_store(association, "1.2.3", encoded(ct(SOPInstanceUID="1.2.3"))) == 0


@pytest.mark.parametrize("missing", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_a_data_set_without_its_identifiers_is_refused(server: Server, missing: str) -> None:
    dataset = ct(SOPInstanceUID="1.2.3", PatientName="SECRET^NAME")
    delattr(dataset, missing)
    with scu(server, (CT, [EXPLICIT_LE])) as association:
        assert raw_store(association, "1.2.3", encoded(dataset)) >= 0xA900
        said = raw_store(association, "1.2.3", encoded(dataset), comment=True)
        assert said
        assert "SECRET" not in str(said)
        assert len(str(said)) <= 64


@pytest.mark.parametrize("data", [b"\0", b"rubbish " * 5000], ids=["one", "rubbish"])
def test_rubbish_is_refused_and_the_association_goes_on(server: Server, data: bytes) -> None:
    with scu(server, (CT, [EXPLICIT_LE])) as association:
        assert raw_store(association, "1.2.3", data) >= 0xA700
        assert raw_store(association, "1.2.3", encoded(ct(SOPInstanceUID="1.2.3"))) == 0


def test_a_class_that_is_not_of_storage_is_refused(server: Server) -> None:
    with scu(server, (STUDY_ROOT_FIND, [EXPLICIT_LE])) as association:
        status = raw_store(association, "1.2.3", encoded(ct()), sop_class=STUDY_ROOT_FIND)
        assert status == 0xA900


def test_a_mount_that_keeps_nothing_says_so() -> None:
    with serving(_Nothing) as server, scu(server, (CT, [EXPLICIT_LE])) as association:
        assert raw_store(association, "1.2.3", encoded(ct())) == 0x0122
        assert raw_store(association, "1.2.3", bytes(500_000)) == 0x0122


class _Nothing:
    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None


def test_a_peer_that_gave_up_its_role_may_not_store() -> None:
    with (
        serving() as server,
        scu(server, (CT, [EXPLICIT_LE]), ext_neg=[build_role(CT, scp_role=True)]) as association,
    ):
        assert raw_store(association, "1.2.3", encoded(ct())) == 0x0211


def test_who_moved_an_instance_here_is_passed_on() -> None:
    with serving() as server, scu(server, (CT, [EXPLICIT_LE])) as association:
        answer = association.send_c_store(ct(), originator_aet="VIEWER", originator_id=7)
        assert answer.Status == 0
        [operation] = [each for each in server.asked if isinstance(each, Store)]
        assert operation.originator == Originator("VIEWER", 7)
        assert operation.who.name == "PEER"
        assert operation.contexts == ((CT, EXPLICIT_LE),)
        assert operation.mount == "ARCHIVE"


def test_the_called_title_picks_the_mount() -> None:
    with serving(mounts=("FIRST", "SECOND")) as server:
        for called in ("SECOND", "FIRST", "HILUM"):
            assert send(server, [ct()], called=called) == [0]
        assert [each.mount for each in server.asked] == ["SECOND", "FIRST", "FIRST"]


@pytest.mark.parametrize("max_pdu", ["4096", "131072"])
def test_storescu_stores(server: Server, tmp_path: Path, max_pdu: str) -> None:
    tool = peers.dcmtk("storescu")
    for at, dataset in enumerate(study(instances=10)):
        dataset.save_as(tmp_path / f"{at}.dcm", enforce_file_format=True)
    done = peers.run(
        [
            tool,
            "-v",
            "-aet",
            "PEER",
            "-aec",
            "HILUM",
            "--max-pdu",
            max_pdu,
            "--scan-directories",
            HOST,
            str(server.port),
            tmp_path,
        ]
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Received Store Response (Success)") == 20, done.stdout


def test_storescu_with_nagle_on_does_not_wait_for_acknowledgements(tmp_path: Path) -> None:
    tool = peers.dcmtk("storescu")
    for at, dataset in enumerate(study(instances=150)):
        dataset.save_as(tmp_path / f"{at}.dcm", enforce_file_format=True)
    with serving() as server:
        began = time.monotonic()
        done = peers.run(
            [tool, "-aet", "PEER", "-aec", "HILUM", "+sd", HOST, str(server.port), tmp_path]
        )
        took = time.monotonic() - began
    assert done.returncode == 0, done.stdout
    assert took < 10  # 12 s at least with the delayed acknowledgements of Linux


def test_storescu_stores_each_sample_in_its_own_syntax() -> None:
    tool = peers.dcmtk("storescu")
    with serving() as server:
        for path in samples.GOOD[:20]:
            syntax = pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID
            option = _OPTIONS.get(str(syntax))
            if option is None:
                continue
            done = peers.run(
                [tool, "-R", option, "-aet", "PEER", "-aec", "HILUM", HOST, str(server.port), path]
            )
            assert done.returncode == 0, (path, done.stdout)
        assert kept(server)


_OPTIONS = {
    IMPLICIT_LE: "-xi",
    EXPLICIT_LE: "-xe",
    EXPLICIT_BE: "-xb",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.5": "-xr",
}


class Down:
    """A backend that cannot be reached."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def open(self, *_: object) -> None:
        raise BackendUnavailable("no connection to it")

    def find(self, _query: object) -> None:
        raise BackendUnavailable("no connection to it")


def test_what_fails_is_told_in_the_log_once_for_each_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "hilum.frontends.dimse.session")
    contexts = [(CT, [EXPLICIT_LE]), (STUDY_ROOT_FIND, [EXPLICIT_LE])]
    with serving(Down) as server, scu(server, *contexts) as association:
        for _ in range(2):
            assert store(association, ct()) == Dimse.OUT_OF_RESOURCES
        settle(association)
        keys = pydicom.Dataset()
        keys.QueryRetrieveLevel, keys.StudyInstanceUID = "STUDY", ""
        [(answer, _)] = association.send_c_find(keys, STUDY_ROOT_FIND)
        assert answer.Status == Dimse.OUT_OF_RESOURCES
    lines = [(each.levelname, each.getMessage().partition(": ")[2]) for each in caplog.records]
    assert lines == [
        ("WARNING", "a C-STORE failed: no connection to it"),
        ("WARNING", "a C-FIND failed: no connection to it"),
    ]
