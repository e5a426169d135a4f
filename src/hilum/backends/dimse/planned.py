"""The C-GETs of a retrieval, and the contexts of each: planned from what should come."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from hilum.backends.dimse.contexts import CLASSES, SYNTAXES, Storage, storage
from hilum.backends.dimse.proof import Part, Proof
from hilum.backends.dimse.requested import Request, requests_for
from hilum.codec.associate import MAX_CONTEXTS
from hilum.codec.sop_class import UNCOMPRESSED
from hilum.model.instance import Listed

_FEW: Final = 16  # classes for one association, where nobody knows in which syntaxes they come


@dataclass(frozen=True, slots=True)
class Ask:
    """One C-GET.

    Attributes:
        listed: what it is hoped to bring, for which contexts are proposed; None: not known.
    """

    part: Part
    request: Request
    listed: Sequence[Listed] | None


def first_asks(proof: Proof) -> Iterator[Ask]:
    """One C-GET for each part; more where it has more classes than contexts can be proposed."""
    for part in proof.parts:
        if part.listed is None:
            yield Ask(part, part.request, None)
            continue
        first, *others = _batches([*part.listed.values()])
        yield Ask(part, part.request, first)
        for some in others:
            yield from _asks(part, some)


def second_asks(proof: Proof) -> Iterator[Ask]:
    """C-GETs for what is missing."""
    for part, missing in proof.again():
        if missing is None:
            yield Ask(part, part.request, None)
            continue
        for some in _batches(missing):
            yield from _asks(part, some)


def _asks(part: Part, some: Sequence[Listed]) -> Iterator[Ask]:
    request = part.request
    for each in requests_for(some, request.keys, patient_root=request.patient_root):
        yield Ask(part, each, some)


def _batches(listed: Sequence[Listed]) -> list[list[Listed]]:
    """What can come on one association each: instances of the commonest classes first."""
    kinds = [kind for kind, _ in Counter(each.sop_class_uid for each in listed).most_common()]
    syntaxes = _known(listed)
    most = _FEW if syntaxes is None else max(1, (MAX_CONTEXTS - 1) // (1 + len(syntaxes)))
    batches = []
    for start in range(0, len(kinds), most):
        some = set(kinds[start : start + most])
        batches.append([each for each in listed if each.sop_class_uid in some])
    return batches


def _known(listed: Sequence[Listed]) -> list[str] | None:
    """The syntaxes in which they are kept, where that is known of each."""
    found = {each.transfer_syntax_uid for each in listed}
    known = sorted(each for each in found if each is not None)
    return known if len(known) == len(found) else None


def contexts_of(listed: Sequence[Listed] | None, *, uncompressed: bool) -> Storage:
    """The contexts to propose; the usual ones where nobody knows what will come.

    Args:
        listed: what is hoped for.
        uncompressed: propose uncompressed syntaxes only.
    """
    kinds = Counter(each.sop_class_uid for each in listed or ())
    classes = [kind for kind, _ in kinds.most_common() if kind]
    if "" in kinds and classes:  # the peer does not tell the classes of some
        classes = list(dict.fromkeys((*classes, *CLASSES)))
    if uncompressed:
        return storage(classes, [UNCOMPRESSED])
    known = _known(listed) if listed else None
    if known is not None:
        return storage(classes, [SYNTAXES[0], *((each,) for each in known)])
    return storage(classes)
