"""What an origin server would send: multipart bodies, and answers to QIDO-RS."""

import json
from collections.abc import Sequence

from tests.backends.dicomweb.served import said
from tests.contract import made
from tests.contract.made import Made, uid

from hilum.codec import part10

BOUNDARY = "x7"
RELATED = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def file_of(one: Made) -> bytes:
    """The instance as a file of PS3.10."""
    head = part10.encode_meta(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid)
    return head + one.data


def related(
    files: Sequence[bytes],
    headers: str = "Content-Type: application/dicom\r\n",
    *,
    end: bool = True,
) -> bytes:
    """A multipart body."""
    parts = b"".join(f"--{BOUNDARY}\r\n{headers}\r\n".encode() + each + b"\r\n" for each in files)
    return parts + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


def study(*instances: Made, kind: str = RELATED, status: int = 200) -> bytes:
    """A whole answer to a retrieval."""
    return said(status, related([file_of(each) for each in instances]), kind)


def listed(*instances: Made, **more: str) -> bytes:
    """A whole answer to a search for instances; they are named as `made` names them."""
    found = []
    for each in instances:
        parts = [
            int(part) for part in each.sop_instance_uid.removeprefix(made.ROOT + ".").split(".")
        ]
        found.append(
            {
                "00080016": {"vr": "UI", "Value": [each.sop_class_uid]},
                "00080018": {"vr": "UI", "Value": [each.sop_instance_uid]},
                "0020000D": {"vr": "UI", "Value": [uid(parts[0])]},
                "0020000E": {"vr": "UI", "Value": [uid(*parts[:2])]},
                **{tag: {"vr": "UI", "Value": [value]} for tag, value in more.items()},
            }
        )
    return said(200, json.dumps(found).encode())


def house(count: int = 3, size: int = 0) -> list[Made]:
    """Instances of one series of study 1."""
    return [
        made.made(1, 1, number, PixelData=bytes([number]) * size if size else b"\1\2")
        for number in range(1, count + 1)
    ]
