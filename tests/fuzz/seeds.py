"""What fuzzing starts from: good input of each kind, small, so that a change of it goes deep."""

import base64
import json
import zlib
from collections.abc import Iterator

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from hilum.codec import associate, dicom_json, dicom_xml, dimse, pdu
from hilum.codec.associate import AssociateRequest, Negotiation, Proposed, Role, UserIdentity
from hilum.codec.dimse import Command
from hilum.codec.header import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hilum.codec.part10 import encode_meta

SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED)
CT = "1.2.840.10008.5.1.4.1.1.2"


def dataset() -> Dataset:
    """A small image with a sequence in a sequence, private elements and another character set."""
    code, item, made = Dataset(), Dataset(), Dataset()
    code.CodeValue, code.CodeMeaning = "T-1", "Kopf"
    item.ConceptCodeSequence = [code]
    item.TextValue = "one"
    made.SpecificCharacterSet = ["ISO 2022 IR 6", "ISO 2022 IR 87"]
    made.SOPClassUID, made.SOPInstanceUID = CT, "1.2.3.4"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    made.PatientName, made.PatientID = "Yamada^Tarou=\u5c71\u7530", "P1"
    made.StudyDate, made.StudyTime, made.PatientAge = "20200131", "1015", "042Y"
    made.ImageType, made.ImagePositionPatient = ["ORIGINAL", "PRIMARY"], ["1", "-2.5", "1e3"]
    made.ContentSequence = [item, Dataset()]
    made.Rows, made.Columns, made.SamplesPerPixel, made.NumberOfFrames = 2, 2, 1, 2
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PhotometricInterpretation, made.Modality = "MONOCHROME2", "CT"
    made.SmallestImagePixelValue = 1
    made.private_block(0x0029, "HILUM", create=True).add_new(1, "FD", 2.5)
    made.PixelData = bytes(range(16))
    made["PixelData"].VR = "OW"
    return made


def encoded(made: Dataset, syntax: str) -> bytes:
    """The data set as it is on the wire."""
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = syntax == IMPLICIT_LITTLE, syntax != EXPLICIT_BIG
    write_dataset(out, made)
    plain = out.getvalue()
    if syntax != DEFLATED:
        return plain
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(plain) + deflater.flush()


def undefined_lengths() -> bytes:
    """Sequences and items that end by delimiters, and encapsulated pixels."""
    made = dataset()
    for each in (made["ContentSequence"], made.ContentSequence[0]["ConceptCodeSequence"]):
        each.is_undefined_length = True
        for item in each.value:
            item.is_undefined_length_sequence_item = True
    del made.PixelData
    fragment = b"\xfe\xff\x00\xe0\x04\0\0\0\xff\xd8\xff\xe0"
    pixels = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0" + 2 * fragment
    return encoded(made, EXPLICIT_LITTLE) + pixels + b"\xfe\xff\xdd\xe0\0\0\0\0"


def encapsulated() -> bytes:
    """A Basic Offset Table and two frames."""
    fragment = b"\xfe\xff\x00\xe0\x04\0\0\0\xff\xd8\xff\xe0"
    return b"\xfe\xff\x00\xe0\x08\0\0\0\0\0\0\0\x0c\0\0\0" + 2 * fragment


def data_sets() -> Iterator[bytes]:
    """For targets whose first byte names the Transfer Syntax."""
    for number, syntax in enumerate(SYNTAXES):
        yield bytes((number,)) + encoded(dataset(), syntax)
    yield b"\0" + undefined_lengths()


def identifiers() -> Iterator[bytes]:
    """What a C-FIND may carry."""
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.PatientName, asked.StudyDate = (
        "STUDY",
        "D*",
        "20200101-20211231",
    )
    asked.ModalitiesInStudy, asked.StudyInstanceUID = "CT", ["1.2", "1.3"]
    code = Dataset()
    code.CodeValue = ""
    asked.ProcedureCodeSequence = [code]
    for number, syntax in enumerate(SYNTAXES[:3]):
        yield bytes((number,)) + encoded(asked, syntax)


def files() -> Iterator[bytes]:
    """Files of PS3.10, with more and with less of a head."""
    data = encoded(dataset(), EXPLICIT_LITTLE)
    yield encode_meta(CT, "1.2.3.4", EXPLICIT_LITTLE, "SENDER", b"private") + data
    yield encode_meta(CT, "1.2.3.4", DEFLATED) + encoded(dataset(), DEFLATED)
    yield data
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = IMPLICIT_LITTLE
    yield b"DICM" + encoded(meta, IMPLICIT_LITTLE) + encoded(dataset(), IMPLICIT_LITTLE)


def associations() -> Iterator[bytes]:
    """Bodies of A-ASSOCIATE-RQ."""
    contexts = (Proposed(1, CT, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)), Proposed(3, "1.2", ("1.3",)))
    more = Negotiation(
        max_pdu=16384, implementation_class_uid="1.2.3", implementation_version_name="X",
        roles={CT: Role(scu=False, scp=True)}, extended={CT: b"\1\1"}, async_operations=(1, 1),
        identity=UserIdentity(2, b"anna", b"secret", response_requested=True),
    )  # fmt: skip
    said = AssociateRequest(
        called_ae_title="HILUM", calling_ae_title="PEER", contexts=contexts, negotiation=more
    )
    yield associate.encode(said).body


def commands() -> Iterator[bytes]:
    """Command sets."""
    yield dimse.encode(
        Command(
            command_field=1, message_id=7, affected_sop_class_uid=CT, priority=0, data_set_type=1,
            affected_sop_instance_uid="1.2.3", move_originator_ae_title="PEER",
            move_originator_message_id=3,
        )
    )  # fmt: skip
    yield dimse.encode(Command(command_field=0x8021, message_id_responded_to=7, status=0xFF00))


def pdus() -> Iterator[bytes]:
    """A conversation, in PDUs."""
    parts = [pdu.encode(pdu.Associate(pdu.Pdu.ASSOCIATE_RQ, each)) for each in associations()]
    for each in commands():
        parts += pdu.encode_data(1, each, is_command=True, last=True, size=64)
    parts += [pdu.encode(each) for each in (pdu.ReleaseRequested(), pdu.Aborted(2, 1))]
    yield b"".join(parts)


def json_texts() -> Iterator[bytes]:
    """Metadata, and a Store Instances Response."""
    yield dicom_json.dumps(
        dicom_json.from_encoded(encoded(dataset(), EXPLICIT_LITTLE), EXPLICIT_LITTLE).attributes
    )
    item = '{"00081150":{"vr":"UI","Value":["1.2"]},"00081155":{"vr":"UI","Value":["1.2.3"]}}'
    yield b'{"00081199":{"vr":"SQ","Value":[%s]}}' % item.encode()
    yield b'{"00100010":{"vr":"PN","Value":[{"Alphabetic":"A^B"}]},"7FE00010":{"BulkDataURI":"x"}}'


def xml_texts() -> Iterator[bytes]:
    """The same as documents, and what documents may be misused for."""
    for each in json_texts():
        yield dicom_xml.dumps(dicom_json.loads(each))
    yield b'<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c SYSTEM "file:///etc/passwd">]><a>&b;&c;</a>'


def multipart() -> Iterator[bytes]:
    """A body with two parts, boundary `b`."""
    part = b"\r\n--b\r\nContent-Type: application/dicom\r\nContent-Location: ../x\r\n\r\nDATA\n--"
    yield b"preamble" + 2 * part + b"\r\n--b--\r\nepilogue"


def tokens() -> Iterator[bytes]:
    """JSON Web Tokens that nobody has signed."""
    claims = {"sub": "eve", "aud": "urn:hilum", "exp": 2**33, "scope": "hilum:query"}
    for header in (
        {"alg": "HS256", "typ": "JWT"},
        {"alg": "none"},
        {"alg": "RS256", "jku": "http://127.0.0.1:1/", "kid": "../../etc/passwd"},
        {"alg": "HS256", "crit": ["exp"], "b64": False, "jwk": {"kty": "oct", "k": "AA"}},
    ):
        texts = (json.dumps(each).encode() for each in (header, claims))
        parts = [base64.urlsafe_b64encode(each).rstrip(b"=") for each in texts]
        yield b".".join((*parts, b"AAAA"))


QUERIES = (
    b"PatientName=D*&StudyDate=20200101-20201231&limit=10&offset=5&includefield=all",
    b"00100020=P1&ModalitiesInStudy=CT%5CMR&fuzzymatching=true&includefield=00081030,StudyID",
    b"ProcedureCodeSequence.CodeValue=T-1&StudyInstanceUID=1.2,1.3&StudyTime=1015-",
)
FHIR = (
    b"identifier=urn:dicom:uid%7Curn:oid:1.2.3&started=ge2020-01-01T00:00:00%2B01:00&_count=5",
    b"patient.name:exact=A%5C,B&modality:not=CT,MR&_sort=-started&_include=ImagingStudy:patient",
    b"birthdate=2020&gender=male&name:contains=a&_id=x&_summary=count&identifier:missing=true",
)
_WADO = b"requestType=WADO&studyUID=1.2&seriesUID=1.3&objectUID=1.4"
WADO_URI = (
    _WADO + b"&contentType=image/jpeg&rows=64&region=0.1,0.2,0.9,1&windowCenter=40&windowWidth=400",
    _WADO + b"&transferSyntax=1.2.840.10008.1.2&frameNumber=2&imageQuality=80",
)
RENDERED = (b"viewport=100,100,0,0,50,50&window=40,400,SIGMOID&quality=80&annotation=patient",)
ACCEPTS = (
    b'multipart/related; type="application/dicom"; transfer-syntax=*; q=0.5, */*;q=0.1',
    b"application/dicom+json, text/html;level=1;q=0, image/*",
)
TOML = (
    b"""[server]
aet = "X"
[mounts.A]
default = true
[mounts.P]
backend = "dimse"
aet = "P"
host = "p"
port = 1
pool = { size = 2 }
[auth]
enabled = true
[auth.token]
secret = { env = "S" }
audience = ["x"]
issuer = "y"
algorithms = ["HS256"]
[peers.V]
aet = "V"
host = "v"
port = 104
""",
)
