"""An index of very many studies, without their files.

The rows are written by the archive's own `Index`, as they are when instances come in; what they
say is that of a small study with other identifiers. No files are written: their numbers are of a
day long ago that the archive does not look at when it starts, and nothing but searches is asked.
"""

import time
from pathlib import Path
from typing import Any

from bench.corpus import small, uid
from bench.processes import say
from hilum.backends.archive import record
from hilum.backends.archive.deflated import deflate, inflate
from hilum.backends.archive.files import numbers_of
from hilum.backends.archive.index import SWEPT, Index
from hilum.backends.archive.record import Entry
from hilum.backends.archive.schema import HEAD
from hilum.backends.archive.upgrade import upgrade
from hilum.codec import dicom_json
from hilum.state.database import open_database

_DAY = "2001/01/01"  # no file is of it
_COMMIT = 5000  # studies in one transaction
_TELL = 50_000  # studies between two lines of progress


def made(corpus: Path, studies: int) -> Path:
    """The archive's folder with an index of so many studies; made, or gone on with, if need be."""
    folder = corpus / f"index{studies}-{HEAD}"
    folder.mkdir(parents=True, exist_ok=True)
    engine = open_database(folder / "index.db", writes=True)
    try:
        upgrade(engine)
        index = Index(engine)
        try:
            _grow(index, studies)
            index.checkpoint(last=True)
        finally:
            index.close()
    finally:
        engine.dispose()
    return folder


def _grow(index: Index, studies: int) -> None:
    first, _ = numbers_of(_DAY)
    done = index.newest() - first if index.newest() else 0
    if done >= studies:
        return
    say(f"an index of {studies:,} studies is made; {done:,} are there")
    attributes = _attributes()
    metadata = deflate(dicom_json.dumps(attributes))
    while done < studies:
        index.begin()
        for number in range(done + 1, min(done + _COMMIT, studies) + 1):
            index.add(_entry(number, first + number, attributes, metadata))
        index.remember(SWEPT, time.strftime("%Y/%m/%d", time.gmtime()))
        index.commit()
        done = min(done + _COMMIT, studies)
        if done % _TELL == 0:
            say(f"  {done:,}")


def _attributes() -> dict[str, Any]:
    """Of a small study, in DICOM JSON, without its private part and its pixels."""
    dataset = small(uid("mass"), 1)
    found = dataset.to_json_dict()
    return {tag: element for tag, element in found.items() if tag[:4] not in {"0009", "7FE0"}}


def study(number: int) -> str:
    """The Study Instance UID of one of them."""
    return f"1.2.826.0.1.3680043.8.498.77.{number}"


def _entry(number: int, file: int, attributes: dict[str, Any], metadata: bytes) -> Entry:
    """The row of the only instance of a study."""
    day = f"{2000 + number % 25:04d}{number % 12 + 1:02d}{number % 28 + 1:02d}"
    name = f"{_NAMES[number % len(_NAMES)]}^Number{number:07d}"
    ours = attributes | {
        "0020000D": {"vr": "UI", "Value": [study(number)]},
        "0020000E": {"vr": "UI", "Value": [f"{study(number)}.1"]},
        "00080018": {"vr": "UI", "Value": [f"{study(number)}.1.1"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]},
        "00100020": {"vr": "LO", "Value": [f"MASS-{number:07d}"]},
        "00080050": {"vr": "SH", "Value": [f"M{number:07d}"]},
        "00080020": {"vr": "DA", "Value": [day]},
    }
    return Entry(
        study_instance_uid=study(number),
        series_instance_uid=f"{study(number)}.1",
        sop_instance_uid=f"{study(number)}.1.1",
        sop_class_uid=attributes["00080016"]["Value"][0],
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        file=file,
        size=5000,
        crc=number,
        columns=record.instance_columns(ours),
        plain=inflate(metadata),
        json=metadata,
        dictionary=b"",
        attributes=ours,
    )


_NAMES = ("Adler", "Bauer", "Conti", "Duval", "Engel", "Ferro", "Garcia", "Hansen", "Ivanova",
          "Jansen", "Kowalski", "Lindgren", "Moreau", "Novak", "Olsen", "Petrov")  # fmt: skip
