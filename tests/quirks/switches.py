"""What can be wrong with a PACS: one switch for each fault, all of them off."""

from dataclasses import dataclass
from enum import Enum, auto


class Point(Enum):
    """Where an answer breaks off; `Quirks.after` things of it have been sent whole by then."""

    ASSOCIATE = auto()  # instead of the A-ASSOCIATE-AC
    REQUEST = auto()  # instead of the first response to a C-FIND, C-GET or C-MOVE
    ANSWER = auto()  # in the middle of the next C-FIND answer
    INSTANCE = auto()  # in the middle of the next instance's data set
    BETWEEN = auto()  # where the next C-FIND answer or instance would begin
    FINAL = auto()  # instead of the final response
    TAKING = auto()  # in the middle of the next data set that is stored at it
    TAKEN = auto()  # instead of the response to a C-STORE, what it brought being kept


class Claims(Enum):
    """What the final response to a C-GET or C-MOVE says when sub-operations failed."""

    TRUTH = auto()  # B000 or A702, true counts, Failed SOP Instance UID List
    SUCCESS = auto()  # 0000 with true counts
    ALL = auto()  # 0000, and all are counted as completed


class Cancel(Enum):
    """What becomes of a C-CANCEL."""

    HONOURED = auto()
    IGNORED = auto()
    ABORTED = auto()  # answered by an A-ABORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """The switches; as they are here it is a well-behaved PACS.

    Attributes:
        slow: seconds before each response and each sub-operation.
        after: answers or instances that are sent, or stored at it, whole before `drops` or
            `stalls`.
        drops: where the connection is cut.
        stalls: where it says nothing more for ever, the connection being open.
        spares_queries: both are of C-GET and C-MOVE only.

        early_success: seconds after the final C-MOVE-RSP, a Success with full counts, at which
            the first sub-operation begins; None: in their order.
        no_originator: its C-STOREs have no Move Originator.
        wrong_message_id: their Move Originator Message ID is another one.
        store_title: the AE title by which its C-STOREs come; "": its own.
        nothing: every C-GET and C-MOVE is a Success of zero sub-operations.
        unknown: status answered to one that asks for what is not there.
        fails: so many sub-operations, the last ones, are not done.
        claims: what is said of them.
        only: the most instances that a C-GET or C-MOVE speaks of; the others are not there.
        twice: the first instance is sent twice.
        stranger: an instance that nobody asked for is sent first.
        ignores_level: the whole study is sent for a series or an instance.
        endless: C-FIND answers, and pending C-GET and C-MOVE responses, never end.
        silent: no pending responses to C-GET and C-MOVE.

        cap: the most answers to a C-FIND, then Success.
        ignores: tags that are not matched on.
        tells_ignored: answers have status FF01 then.
        duplicates: every C-FIND answer comes twice.
        charset: names are written in this Specific Character Set, several values parted by a
            backslash; "": as it was asked in.
        declares: Specific Character Set of the answers, where `charset` is set; None: it is left
            out.
        no_lists: ModalitiesInStudy with more than one value matches nothing.
        no_image_level, no_patient_level: refused with A900.
        relational: unique keys above the level may be left out, else A900; that of the patient in
            C-GET and C-MOVE, too.
        agrees: answers that relational queries were agreed on; None: as it is.

        cancel: what becomes of a C-CANCEL.
        cancel_delay: seconds until that; it goes on sending meanwhile.

        store_status: answered to each C-STORE beyond `after`, of which nothing is kept; 0: Success.

        refuses: SOP Class UIDs of which no presentation context is accepted.
        syntaxes: transfer syntaxes that are accepted of a storage class; None: all.
        no_roles: nobody else gets the SCP role of a storage class, so that there is no C-GET.
        callers: AE titles that are let in; None: all.
        max_pdu: bytes of a P-DATA-TF that it takes.
    """

    slow: float = 0.0
    after: int = 1
    drops: Point | None = None
    stalls: Point | None = None
    spares_queries: bool = False

    early_success: float | None = None
    no_originator: bool = False
    wrong_message_id: bool = False
    store_title: str = ""
    nothing: bool = False
    unknown: int = 0
    fails: int = 0
    claims: Claims = Claims.TRUTH
    only: int | None = None
    twice: bool = False
    stranger: bool = False
    ignores_level: bool = False
    endless: bool = False
    silent: bool = False

    cap: int | None = None
    ignores: frozenset[int] = frozenset()
    tells_ignored: bool = False
    duplicates: bool = False
    charset: str = ""
    declares: str | None = None
    no_lists: bool = False
    no_image_level: bool = False
    no_patient_level: bool = False
    relational: bool = True
    agrees: bool | None = None

    cancel: Cancel = Cancel.HONOURED
    cancel_delay: float = 0.0

    store_status: int = 0

    refuses: frozenset[str] = frozenset()
    syntaxes: frozenset[str] | None = None
    no_roles: bool = False
    callers: frozenset[str] | None = None
    max_pdu: int = 128 * 1024
