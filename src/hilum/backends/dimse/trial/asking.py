"""Puts a question to the peer that is probed, and reads only so much of the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hilum.backends.dimse.find import CONTEXTS, RELATIONAL, find
from hilum.backends.dimse.findings import Known, Seen
from hilum.model.errors import BackendTimeout, BadDataset, HilumError
from hilum.model.identity import Level
from hilum.model.query import Path
from hilum.upper_layer.requestor import associate

FLAGS = RELATIONAL + b"\0\1"  # relational queries and fuzzy matching, PS3.4 §C.5.1.1


@dataclass(slots=True)
class Heard:
    """What the peer answered.

    Attributes:
        seen: the answers that were read.
        cut: there were more; the association was ended, which stops any peer.
        told: it said that it does not support every key (FF01).
        unreadable: answers that are no data sets.
        refusal: why it refused; None: it did not.
        broken: why no more came after the first answers; None: it ended, or was ended.
    """

    seen: list[Seen] = field(default_factory=list)
    cut: bool = False
    told: bool = False
    unreadable: int = 0
    refusal: HilumError | None = None
    broken: HilumError | None = None


async def ask(
    known: Known,
    level: Level,
    keys: Mapping[Path, str],
    most: int,
    *,
    patient_root: bool | None = None,
) -> Heard:
    """Search on an association of its own.

    Args:
        known: whom, and in which model.
        level: of the answers.
        keys: path -> value; "" asks for the attribute.
        most: answers that are read; where there are more, the peer is stopped by an A-ABORT.
        patient_root: another model than `known` says.

    Raises:
        BackendError: the association was lost, or the first answer did not come in time.
    """
    heard = Heard()
    root = known.patient_root if patient_root is None else patient_root
    extended = {uid: FLAGS for uid, _ in CONTEXTS}
    async with associate(known.to, CONTEXTS, extended=extended) as association:
        try:
            async with find(association, level, keys, patient_root=root, patience=0.0) as answers:
                async for answer in answers:
                    heard.told = answers.keys_ignored
                    if len(heard.seen) + heard.unreadable == most:
                        heard.cut = True
                        break
                    try:
                        attributes = answer.described().attributes
                    except BadDataset:
                        heard.unreadable += 1
                        continue
                    encoded = answer.encoded or b""
                    heard.seen.append(Seen(attributes, encoded, answer.transfer_syntax_uid))
        except HilumError as error:
            if association.lost is None and not isinstance(error, BackendTimeout):
                heard.refusal = error
            elif heard.seen:
                heard.broken = error
            else:
                raise
    return heard
