import mmap
import zlib
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import samples

from hilum.codec import part10
from hilum.codec.part10 import encode_meta, read_head
from hilum.model.errors import BadDataset
from hilum.model.identity import is_uid

CT = "1.2.840.10008.5.1.4.1.1.2"
UID = "1.2.3.4.5"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG = "1.2.840.10008.1.2.2"
ELEMENTS = {  # SOP Class UID, Modality, Patient ID
    EXPLICIT: b"\x08\0\x16\0UI\x04\x001.2\0\x08\0\x60\0CS\x02\0CT\x10\0\x20\0LO\x02\0P1",
    IMPLICIT: b"\x08\0\x16\0\x04\0\0\x001.2\0\x08\0\x60\0\x02\0\0\0CT\x10\0\x20\0\x02\0\0\0P1",
    BIG: b"\0\x08\0\x16UI\0\x041.2\0\0\x08\0\x60CS\0\x02CT\0\x10\0\x20LO\0\x02P1",
}


def head(data: bytes) -> part10.Head:
    found = read_head(data, complete=True)
    assert found is not None
    return found


def test_our_own_names_are_valid():
    assert is_uid(part10.IMPLEMENTATION_CLASS_UID)
    assert is_uid(part10.PRIVATE_CREATOR_UID)
    assert len(part10.IMPLEMENTATION_VERSION_NAME) <= 16


def test_pydicom_reads_what_is_written_without_a_complaint():
    meta = encode_meta(CT, UID, EXPLICIT, "SCANNER", private=b'{"a":1}')
    read = pydicom.dcmread(BytesIO(meta + ELEMENTS[EXPLICIT]))
    assert read.Modality == "CT"
    assert read.file_meta.FileMetaInformationGroupLength == len(meta) - 144
    assert read.file_meta.FileMetaInformationVersion == b"\0\1"
    assert read.file_meta.MediaStorageSOPClassUID == CT
    assert read.file_meta.MediaStorageSOPInstanceUID == UID
    assert read.file_meta.TransferSyntaxUID == EXPLICIT
    assert read.file_meta.ImplementationClassUID == part10.IMPLEMENTATION_CLASS_UID
    assert read.file_meta.ImplementationVersionName == part10.IMPLEMENTATION_VERSION_NAME
    assert read.file_meta.SourceApplicationEntityTitle == "SCANNER"
    assert read.file_meta.PrivateInformationCreatorUID == part10.PRIVATE_CREATOR_UID


@pytest.mark.parametrize("private", [b"", b"odd", b"even", b"\0x", bytes(range(1, 256)) * 300])
def test_what_is_written_is_read(private):
    meta = encode_meta(CT, UID, IMPLICIT, "AE", private)
    assert head(meta + ELEMENTS[IMPLICIT]) == part10.Head(CT, UID, IMPLICIT, len(meta), (), private)


def test_private_information_that_would_not_come_back_the_same_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        encode_meta(CT, UID, IMPLICIT, private=b"x\0")


def test_private_information_of_others_is_not_ours():
    meta = encode_meta(CT, UID, EXPLICIT, private=b"secret")
    other = meta.replace(part10.PRIVATE_CREATOR_UID.encode(), b"9" * 44 + b".1")
    assert head(other + ELEMENTS[EXPLICIT]).private == b""


def test_a_head_asks_for_more_until_it_is_whole():
    data = encode_meta(CT, UID, EXPLICIT, "A", b"private") + ELEMENTS[EXPLICIT]
    whole = head(data)
    for length in range(len(data)):
        found = read_head(data[:length], complete=False)
        assert found is None if length < whole.offset + 8 else found == whole


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_a_head_is_read_from_any_buffer(wrap):
    data = encode_meta(CT, UID, EXPLICIT) + ELEMENTS[EXPLICIT]
    assert head(wrap(data)).transfer_syntax_uid == EXPLICIT


def test_a_mapped_file_can_be_closed_after_a_failure(tmp_path: Path):
    path = tmp_path / "rubbish"
    path.write_bytes(b"rubbish" * 100)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        with pytest.raises(BadDataset) as error:
            read_head(data, complete=True)
        data.close()
    assert error


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
def test_without_file_meta_information_the_syntax_is_guessed(syntax):
    assert head(ELEMENTS[syntax]) == part10.Head("", "", syntax, 0, ("no File Meta Information",))


def test_a_deflated_data_set_is_guessed_too():
    deflater = zlib.compressobj(wbits=-15)
    data = deflater.compress(ELEMENTS[EXPLICIT]) + deflater.flush()
    assert head(data).transfer_syntax_uid == DEFLATED


def test_preamble_and_prefix_may_be_missing():
    data = encode_meta(CT, UID, EXPLICIT) + ELEMENTS[EXPLICIT]
    assert head(data[128:]).warnings == ("no preamble before the DICM prefix",)
    assert head(data[132:]).warnings == ("no preamble and no DICM prefix",)
    assert head(data[132:]).offset == head(data).offset - 132


def test_the_group_length_may_be_missing_or_wrong():
    data = encode_meta(CT, UID, EXPLICIT) + ELEMENTS[EXPLICIT]
    without = head(data[:132] + data[144:])
    assert without.warnings == ("no group length (0002,0000)",)
    wrong = head(data[:140] + b"\xff\xff\0\0" + data[144:])
    assert wrong.warnings == ("wrong group length (0002,0000)",)
    assert without.sop_instance_uid == wrong.sop_instance_uid == UID
    assert wrong.offset == head(data).offset


def test_file_meta_information_may_be_in_implicit_vr():
    meta = b"\x02\0\x02\0\x04\0\0\x001.2\0\x02\0\x10\0\x12\0\0\x001.2.840.10008.1.2\0"
    found = head(bytes(128) + b"DICM" + meta + ELEMENTS[IMPLICIT])
    assert (found.sop_class_uid, found.transfer_syntax_uid) == ("1.2", IMPLICIT)
    assert "File Meta Information is not in explicit VR" in found.warnings


def test_a_missing_transfer_syntax_is_guessed():
    data = encode_meta(CT, UID, "") + ELEMENTS[BIG]
    assert head(data).transfer_syntax_uid == BIG
    assert head(data).warnings[0].startswith("no Transfer Syntax UID (0002,0010)")
    assert read_head(data, complete=False) is None


@pytest.mark.parametrize(("told", "written"), [(EXPLICIT, IMPLICIT), (IMPLICIT, EXPLICIT)])
def test_a_data_set_is_never_passed_on_under_a_syntax_in_which_nobody_could_read_it(told, written):
    data = encode_meta(CT, UID, told) + ELEMENTS[written]
    assert head(data).transfer_syntax_uid == written
    assert head(data).warnings == ("the Transfer Syntax is not that of the data set",)
    assert read_head(data, complete=False) is None


def test_a_dicomdir_is_refused():
    with pytest.raises(BadDataset, match="DICOMDIR"):
        head(encode_meta("1.2.840.10008.1.3.10", UID, EXPLICIT) + ELEMENTS[EXPLICIT])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"<html>" * 100,
        bytes(5000),
        bytes(128) + b"DICM",
        bytes(128) + b"DICM\x02\0",
        bytes(128) + b"DICM\x02\0\x01\0OB\0\0\xff\xff\xff\xff",
        bytes(128) + b"DICM\x02\0\x01\0OB\0\0\0\0\0\x10" + bytes(100),
        bytes(128) + b"DICM" + b"\x02\0\x02\0UI\0\0" * 200_000,
    ],
)
def test_what_is_no_dicom_is_refused(data):
    with pytest.raises(BadDataset):
        read_head(data, complete=True)


def test_an_endless_head_is_refused_before_its_end():
    data = bytes(128) + b"DICM" + b"\x02\0\x02\0UI\0\0" * 140_000
    with pytest.raises(BadDataset, match="1 MiB"):
        read_head(data, complete=False)


@given(st.binary(max_size=400), st.booleans(), st.booleans())
def test_no_bytes_do_anything_else(data, prefixed, complete):
    try:
        found = read_head(bytes(128) + b"DICM" + data if prefixed else data, complete=complete)
    except BadDataset:
        return
    assert found is None or 0 <= found.offset <= len(data) + 132


@pytest.mark.parametrize("path", samples.GOOD + samples.DUP, ids=lambda path: path.name)
def test_heads_of_real_files_are_as_pydicom_reads_them(path: Path):
    data = path.read_bytes()
    meta = pydicom.filereader.read_file_meta_info(path)
    found = head(data)
    assert found.sop_class_uid == meta.get("MediaStorageSOPClassUID", "")
    assert found.sop_instance_uid == meta.get("MediaStorageSOPInstanceUID", "")
    assert found.transfer_syntax_uid == meta.TransferSyntaxUID
    first = encode_meta(found.sop_class_uid, found.sop_instance_uid, found.transfer_syntax_uid)
    assert head(first + data[found.offset :]).offset == len(first)
