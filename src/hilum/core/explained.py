"""What is told of the way that a request would go? For people, and for programs."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request that is to be explained: a line of HTTP, or a C-FIND by its keys.

    Attributes:
        line: `GET /aets/PACS/studies?PatientName=A*`; "" for a C-FIND.
        keys: of a C-FIND, as people write them.
        level: of a C-FIND: "study" or another; "": of its keys.
        mount: that a C-FIND is for; "": the default one.
        who: asks: a peer, the name of a token, the subject of a certificate, or "anonymous"; "":
            that does not matter.
    """

    line: str = ""
    keys: tuple[str, ...] = ()
    level: str = ""
    mount: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """What is sent in one step.

    Attributes:
        why: it is.
        sends: lines to read; one list for each question.
        filtered: keys that the answers are held against.
    """

    level: str
    why: str
    sends: list[list[str]]
    filtered: list[str]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to answer.

    Attributes:
        when: it is taken; "": always.
        refused: why there is no answer this way.
    """

    when: str
    steps: list[Asking] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes.

    Attributes:
        door: that takes it, and where that listens.
        mount: an AE title; "" for what is about the service itself.
        backend: what stands behind the mount, and where.
        notes: what holds for every way.
        allowed: by what the caller may do it, where one is named.
    """

    request: str
    operation: str
    door: str
    mount: str
    backend: str
    ways: list[Way]
    notes: list[str]
    allowed: list[str] = field(default_factory=list)
