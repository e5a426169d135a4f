"""What a probe finds out about a peer, and the settings of a mount that follow from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hilum.codec.dicom_json import Attributes
from hilum.codec.identifier import UNIQUE_KEYS
from hilum.model.identity import Level
from hilum.model.query import Path
from hilum.upper_layer.requestor import Remote

Value = bool | int | float | str | list[str] | dict[str, bool] | None
"""What was found, for programs; None: it could not be found out."""
Setting = str | bool | int | list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found out, or not.

    Attributes:
        name: what it is about, for programs.
        title: the same, for people.
        value: what was found.
        text: the same, for people; free of patient data.
        settings: keys of a DIMSE mount that follow from it.
    """

    name: str
    title: str
    value: Value
    text: str
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer of the peer, kept to ask the next question; never shown.

    Attributes:
        attributes: DICOM JSON.
        encoded: as it came.
        syntax: of `encoded`.
    """

    attributes: Attributes
    encoded: bytes
    syntax: str

    def value(self, tag: int) -> str:
        """The first value of an attribute, as text; "" where there is none."""
        values = self.attributes.get(f"{tag:08X}", {}).get("Value") or [""]
        first = values[0]
        if isinstance(first, Mapping):  # a person's name
            first = first.get("Alphabetic", "")
        return str(first) if first is not None else ""

    def number(self, tag: int) -> int | None:
        """The first value of an attribute as a number; None where there is none."""
        try:
            return int(self.value(tag))
        except ValueError:
            return None


@dataclass(slots=True)
class Known:
    """What is known of the peer so far.

    Attributes:
        to: whom we call, and how.
        deadline: seconds that each experiment may take.
        heard: called with each finding.
        accepted: SOP Class UIDs of the accepted presentation contexts.
        senders: storage classes of which the peer takes the SCU role, so that a C-GET works.
        relational: relational queries were agreed on.
        patient_root: the model that is used.
        studies: some that it lists.
        since: the first StudyDate of those asked for; "": any.
        study, series, instance: of one small instance, as far as it lists one.
        dates: it matches StudyDate.
    """

    to: Remote
    deadline: float
    heard: Callable[[Finding], None]
    findings: list[Finding] = field(default_factory=list)
    accepted: frozenset[str] = frozenset()
    senders: frozenset[str] = frozenset()
    relational: bool = False
    patient_root: bool = False
    studies: list[Seen] = field(default_factory=list)
    since: str = ""
    study: Seen | None = None
    series: Seen | None = None
    instance: Seen | None = None
    dates: bool = True

    def tell(self, name: str, title: str, value: Value, text: str, **settings: Setting) -> None:
        """Take down what was found."""
        found = Finding(name=name, title=title, value=value, text=text, settings=settings)
        self.findings.append(found)
        self.heard(found)

    def above(self, level: Level) -> dict[Path, str]:
        """The unique keys of the levels above, of what is known."""
        levels = list(Level)[0 if self.patient_root else 1 :]
        seen = {Level.PATIENT: self.study, Level.STUDY: self.study, Level.SERIES: self.series}
        keys: dict[Path, str] = {}
        for each in levels[: levels.index(level)] if level in levels else ():
            found = seen[each]
            if found is not None:
                keys[UNIQUE_KEYS[each],] = found.value(UNIQUE_KEYS[each])
        return keys

    @property
    def settings(self) -> dict[str, Setting]:
        """All settings that follow, the first word of each counting."""
        found: dict[str, Setting] = {}
        for each in self.findings:
            for key, value in each.settings.items():
                found.setdefault(key, value)
        return found
