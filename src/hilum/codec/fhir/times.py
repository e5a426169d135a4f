"""How dates and times of DICOM become those of FHIR, which wants an offset with every time."""

import re
from datetime import UTC, date, datetime, tzinfo

from hilum.codec.fhir.values import Attributes, text

_DATE = re.compile(r"(\d{4})[.-]?(\d\d)[.-]?(\d\d)")
_TIME = re.compile(r"(\d\d):?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?")
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)")
_LEAP = 60  # seconds, which no clock of FHIR's readers shows
_MOST = 14  # hours that a clock can be from UTC


def day(value: str) -> str | None:
    """A DA as FHIR's date, or None where it is none."""
    found = _DATE.fullmatch(value.strip())
    if found is None:
        return None
    try:
        return date(*map(int, found.groups())).isoformat()
    except ValueError:
        return None


def moment(attributes: Attributes, date_tag: str, time_tag: str, zone: tzinfo | None) -> str | None:
    """A date and a time as FHIR's dateTime; only the date where nobody says the zone, or the hour.

    FHIR wants an offset from UTC with every time: the data set's own (0008,0201) goes before the
    configured zone.
    """
    that_day = day(text(attributes, date_tag))
    found = _TIME.fullmatch(text(attributes, time_tag))
    if that_day is None or found is None:
        return that_day
    hour, minute, second = (int(each or 0) for each in found.groups()[:3])
    fraction = f".{found[4]}" if found[4] else ""
    if second == _LEAP:
        second, fraction = _LEAP - 1, ""
    try:
        local = datetime.fromisoformat(f"{that_day}T{hour:02}:{minute:02}:{second:02}")
    except ValueError:
        return that_day
    offset = _declared(text(attributes, "00080201")) or _at(local, zone)
    return that_day if offset is None else f"{local.isoformat()}{fraction}{offset}"


def instant(when: datetime) -> str:
    """A moment as FHIR's instant, in UTC."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _declared(value: str) -> str | None:
    found = _OFFSET.fullmatch(value)
    if found is None or int(found[2]) > _MOST or int(found[3]) >= _LEAP:
        return None
    return f"{found[1]}{found[2]}:{found[3]}"


def _at(local: datetime, zone: tzinfo | None) -> str | None:
    """The offset of a zone at a time of its own clocks."""
    offset = None if zone is None else zone.utcoffset(local)
    if offset is None:
        return None
    minutes = round(offset.total_seconds() / _LEAP)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // _LEAP:02}:{abs(minutes) % _LEAP:02}"
