"""Which storage contexts, in which roles, are proposed for a C-GET? (PS3.4 §C.4.3, §C.5.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hilum.codec.associate import MAX_CONTEXTS, Role
from hilum.codec.sop_class import DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from hilum.upper_layer.requestor import Wanted

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_JPEG = "1.2.840.10008.1.2.4."
_IMAGES = (
    # CT, Enhanced CT, MR, Enhanced MR, CR, DX for presentation and processing, MG likewise,
    # US, US multi-frame, SC, XA, RF, PET, NM
    *("2", "2.1", "4", "4.1", "1", "1.1", "1.1.1", "1.2", "1.2.1"),
    *("6.1", "3.1", "7", "12.1", "12.2", "128", "20"),
)
_MORE = (
    # SC multi-frame: bits, grey bytes, grey words, colour
    *("7.1", "7.2", "7.3", "7.4"),
    # intra-oral, breast tomosynthesis, X-ray 3D, enhanced XA, RF, PET, US volume, MR colour
    *("1.3", "1.3.1", "13.1.3", "13.1.1", "13.1.2", "12.1.1", "12.2.1", "130", "6.2", "4.3"),
    # visible light: endoscopy, microscopy, slide, photography, videos, ophthalmic, whole slide
    *("77.1.1", "77.1.2", "77.1.3", "77.1.4", "77.1.1.1", "77.1.2.1", "77.1.4.1"),
    *("77.1.5.1", "77.1.5.2", "77.1.5.4", "77.1.6"),
    # documents: SR basic, enhanced, comprehensive, 3D, CAD of breast and chest, dose, KO; PDF, CDA
    *("88.11", "88.22", "88.33", "88.34", "88.50", "88.65", "88.67", "88.59", "104.1", "104.2"),
    # presentation states: grey, colour, pseudo-colour, blending
    *("11.1", "11.2", "11.3", "11.4"),
    # radiotherapy: image, dose, structures, beams record, plan, summary, ion plan
    *("481.1", "481.2", "481.3", "481.4", "481.5", "481.7", "481.8"),
    # raw data, registration, fiducials, deformable registration, segmentation, surface; waveforms
    *("66", "66.1", "66.2", "66.3", "66.4", "66.5", "9.1.1", "9.1.2", "9.1.3", "9.2.1"),
    # retired, but still in archives: US, US multi-frame, NM
    *("6", "3", "5"),
)
IMAGES: tuple[str, ...] = tuple(_STORAGE + each for each in _IMAGES)
"""The classes of most images."""
CLASSES: tuple[str, ...] = tuple(_STORAGE + each for each in (*_IMAGES, *_MORE))
"""What is asked for when nobody says which classes will come."""

SYNTAXES: tuple[tuple[str, ...], ...] = (
    (EXPLICIT_LE, IMPLICIT_LE),  # what every peer can send
    (_JPEG + "70",),  # JPEG lossless, first order
    (_JPEG + "90",),  # JPEG 2000 lossless
    (_JPEG + "50",),  # JPEG baseline
    (IMPLICIT_LE,),  # as it may be stored, so that nothing need be re-encoded
    (_JPEG + "80",),  # JPEG-LS lossless
    ("1.2.840.10008.1.2.5",),  # RLE
    (_JPEG + "91",),  # JPEG 2000
    (_JPEG + "51",),  # JPEG extended
    (_JPEG + "81",),  # JPEG-LS near lossless
    (_JPEG + "57",),  # JPEG lossless
    (EXPLICIT_LE,),
    *((_JPEG + each,) for each in ("201", "202", "203")),  # high-throughput JPEG 2000
    *((_JPEG + each,) for each in ("102", "103", "104", "105", "106", "107", "108")),  # video
    *((_JPEG + each,) for each in ("100", "101")),  # MPEG2
    (EXPLICIT_BE,),
    (DEFLATED_LE,),
    *((_JPEG + each,) for each in ("92", "93", "53", "55")),  # JPEG 2000 part 2, and retired ones
    ("1.2.840.10008.1.2.8.1",),  # deflated frames
)
"""What is asked for for each class, one presentation context each, the commonest first."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Storage contexts that let the peer be the SCU, as a C-GET needs.

    Attributes:
        wanted, roles: for `associate`.
        left_out: pairs of class and syntax for which there was no room.
    """

    wanted: tuple[Wanted, ...]
    roles: Mapping[str, Role]
    left_out: int


def storage(
    classes: Sequence[str] = (),
    syntaxes: Sequence[Sequence[str]] = SYNTAXES,
    *,
    beside: int = 1,
) -> Storage:
    """What to propose so that instances of `classes` can come.

    An acceptor takes one syntax of a context, and a compressed instance goes out only in its
    own; so each syntax gets a context, as far as 128 reach: the first syntax for every class,
    then the second, and so on. Who knows which classes will come should say so.

    Args:
        classes: SOP Class UIDs, the dearest first; none: `CLASSES`, with compressed images for
            those of `IMAGES`.
        syntaxes: of each; those in one context are alternatives.
        beside: contexts that are proposed for other things.
    """
    if classes:
        pairs = _breadth_first(tuple(dict.fromkeys(classes)), syntaxes)
    else:
        pairs = [*_breadth_first(CLASSES, syntaxes[:1]), *_breadth_first(IMAGES, syntaxes[1:])]
    taken = tuple(pairs[: MAX_CONTEXTS - beside])
    roles = {uid: Role(scu=False, scp=True) for uid, _ in taken}
    return Storage(taken, roles, len(pairs) - len(taken))


def _breadth_first(classes: Sequence[str], syntaxes: Sequence[Sequence[str]]) -> list[Wanted]:
    return [(uid, tuple(alternatives)) for alternatives in syntaxes for uid in classes]
