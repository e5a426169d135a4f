import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import evt
from pynetdicom.events import Event
from tests import peers
from tests.cli.scu.peer import Pacs, call

from hilum.codec.sop_class import (
    EXPLICIT_LE,
    IMPLICIT_LE,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
)


def test_a_study_becomes_files(a_pacs: Pacs, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    code, said, err = call(
        "get", a_pacs.place, "-k", f"StudyInstanceUID={a_pacs.study.uid}", "-o", str(out)
    )
    assert (code, err) == (0, "")
    assert said.startswith(f"6 received into {out}")
    names = {path.name for path in out.iterdir()}
    assert names == {f"{each.sop_instance_uid}.dcm" for each in a_pacs.study.slices}
    for each in a_pacs.study.slices:
        read = dcmread(out / f"{each.sop_instance_uid}.dcm")
        assert read.SOPInstanceUID == read.file_meta.MediaStorageSOPInstanceUID
        assert read.PixelData == each.encoded[-len(read.PixelData) :]


def test_programs_get_json(a_pacs: Pacs, tmp_path: Path) -> None:
    first = a_pacs.study.slices[0]
    code, said, _ = call(
        "get", a_pacs.place, "--json", "-o", str(tmp_path),
        "-k", f"StudyInstanceUID={a_pacs.study.uid}",
        "-k", f"SeriesInstanceUID={first.series_uid}",
        "-k", f"SOPInstanceUID={first.sop_instance_uid}",
        "--sop-class", "CTImageStorage", "--sop-class", "1.2.840.10008.5.1.4.1.1.4",
    )  # fmt: skip
    found = json.loads(said)
    assert (code, found["ok"], found["completed"], found["status"]) == (0, True, 1, "0000")
    assert found["files"] == [str(tmp_path / f"{first.sop_instance_uid}.dcm")]


def test_a_class_that_was_not_asked_for_cannot_come(a_pacs: Pacs, tmp_path: Path) -> None:
    code, said, err = call(
        "get", a_pacs.place, "-o", str(tmp_path), "-k", f"StudyInstanceUID={a_pacs.study.uid}",
        "--sop-class", "MRImageStorage",
    )  # fmt: skip
    assert code == 1
    assert said.startswith("0 received")
    assert "6 failed" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-k", "PatientName=A"), 2, "say what"),
        (("-k", "StudyInstanceUID=1", "--sop-class", "Nonsense"), 2, "Nonsense is neither"),
        (("-k", "StudyInstanceUID=1", "--aet", "NOBODY"), 3, "called AE title not recognized"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(
    a_pacs: Pacs, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    found, _, err = call("get", a_pacs.place, "-o", str(tmp_path), *arguments)
    assert found == code
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_folder_that_cannot_be_made_is_told(a_pacs: Pacs, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, _, err = call(
        "get", a_pacs.place, "-k", "StudyInstanceUID=1", "-o", str(tmp_path / "file" / "below")
    )
    assert code == 1
    assert "Not a directory" in err


def test_what_was_listed_and_did_not_come_is_told_whatever_the_peer_says(tmp_path: Path) -> None:
    def find(_: Event) -> Iterator[tuple[int, Dataset | None]]:
        match = Dataset()
        match.SeriesInstanceUID = "1.2.4"
        match.SOPInstanceUID = "1.2.5"
        match.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        yield 0xFF00, match

    def get(_: Event) -> Iterator[object]:
        yield 0
        yield 0x0000, None

    contexts = [(uid, [EXPLICIT_LE, IMPLICIT_LE]) for uid in (STUDY_ROOT_FIND, STUDY_ROOT_GET)]
    with peers.pynetdicom({evt.EVT_C_FIND: find, evt.EVT_C_GET: get}, contexts) as port:
        what = (f"127.0.0.1:{port}", "-k", "StudyInstanceUID=1.2.3", "-o", str(tmp_path))
        code, _, err = call("get", *what)
        assert (code, err) == (1, "1 of 1 did not come\n")
        code, out, _ = call("get", *what, "--json")
    assert (code, json.loads(out)["missing"]) == (1, ["1.2.5"])


def test_a_peer_that_does_not_list_is_asked_for_the_usual_classes(tmp_path: Path) -> None:
    proposed: list[int] = []

    def get(event: Event) -> Iterator[object]:
        proposed.append(len(event.assoc.requestor.requested_contexts))
        yield 0
        yield 0x0000, None

    contexts = [(STUDY_ROOT_GET, [EXPLICIT_LE, IMPLICIT_LE])]
    with peers.pynetdicom({evt.EVT_C_GET: get}, contexts) as port:
        what = (f"127.0.0.1:{port}", "-k", "StudyInstanceUID=1.2.3", "-o", str(tmp_path))
        assert call("get", *what)[0] == 0
    assert proposed == [128]
