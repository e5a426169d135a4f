"""Can something be stored, and is it gone again? Only where it was asked for."""

from hilum.cli.tested.row import Failed, Row, Skipped, Subject
from hilum.cli.tested.web import good
from hilum.cli.walk.row import counted
from hilum.cli.walk.study import Study, study
from hilum.config.mounts import ArchiveMount

_BOUNDARY = "hilum-selftest"
_JSON = "application/dicom+json"


def _made() -> Study:
    return study("SELFTEST")


async def _store(subject: Subject) -> str:
    """STOW-RS of a small generated study, which the rows after it find."""
    if not subject.may_write:
        raise Skipped("--store was not given: nothing is written")
    name = subject.entity.aet
    mount = subject.settings.mounts[name]
    if not isinstance(mount, ArchiveMount):
        raise Skipped("the mount stands for another system: nothing is stored there")
    if not mount.delete:
        raise Skipped(f"mounts.{name}.delete is false: it could not be removed again")
    made = _made()
    lines = [
        f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + each.part10 + b"\r\n"
        for each in made.slices
    ]
    kind = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
    answer = await subject.client.post(
        f"{subject.root}/studies",
        content=b"".join([*lines, f"--{_BOUNDARY}--\r\n".encode()]),
        headers={"Content-Type": kind, "Accept": _JSON, **subject.headers},
    )
    stored = len(good(subject, answer).json().get("00081199", {}).get("Value", []))
    if stored != len(made.slices):
        raise Failed(f"{stored} of {len(made.slices)} stored", "the broker's log says why")
    subject.found.study, subject.found.patient = made.uid, made.patient_id
    return f"{counted(stored, 'instance')} of a generated study"


async def _remove(subject: Subject) -> str:
    made = _made()
    if subject.found.study != made.uid:
        raise Skipped("nothing was stored")
    answer = await subject.client.delete(
        f"{subject.root}/studies/{made.uid}", headers=subject.headers
    )
    good(subject, answer)
    left = await subject.client.get(
        f"{subject.root}/studies/{made.uid}/metadata", headers={"Accept": _JSON, **subject.headers}
    )
    if left.status_code != 404:  # noqa: PLR2004 - the status that it must be
        raise Failed(f"it is still there: {left.status_code}", f"DELETE {answer.url}")
    return "gone"


STORE = Row("STOW-RS", "http", _store)
REMOVE = Row("DELETE of what was stored", "http", _remove)
