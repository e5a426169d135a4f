"""As what can an instance be rendered? Media types by what it is (PS3.18 Table 8.7.4-1)."""

from typing import Final

from hilum.codec.fragments import MEDIA, media_type_of
from hilum.codec.media_type import includes
from hilum.imaging import document
from hilum.imaging.picture import STILL
from hilum.imaging.pixels import Pixels
from hilum.imaging.values import Values
from hilum.model.errors import NotAcceptable

ENCAPSULATED: Final = 0x00420011  # Encapsulated Document

_DOCUMENTS: Final = {  # SOP classes of encapsulated documents
    "1.2.840.10008.5.1.4.1.1.104.1": "application/pdf",
    "1.2.840.10008.5.1.4.1.1.104.2": "text/xml",
    "1.2.840.10008.5.1.4.1.1.104.3": "model/stl",
    "1.2.840.10008.5.1.4.1.1.104.4": "model/obj",
    "1.2.840.10008.5.1.4.1.1.104.5": "model/mtl",
}

_VIDEOS: Final = dict.fromkeys(map(media_type_of, MEDIA))
ALL: Final = (
    *STILL,
    *(each for each in _VIDEOS if each.startswith("video/")),
    *_DOCUMENTS.values(),
    document.HTML,
    document.TEXT,
)
"""Whatever may be rendered; of one thing the default first."""


def kinds(sop_class_uid: str, pixels: Pixels | None, header: Values) -> tuple[str, ...]:
    """The media types, the default first; none where it cannot be rendered."""
    if pixels is not None:
        stored = media_type_of(pixels.transfer_syntax_uid)
        return (stored,) if stored.startswith("video/") else STILL
    if sop_class_uid in _DOCUMENTS and header.span(ENCAPSULATED) is not None:
        return (_DOCUMENTS[sop_class_uid],)
    return (document.HTML, document.TEXT) if document.is_document(header) else ()


def chosen(ranges: tuple[str, ...], offers: tuple[str, ...]) -> str:
    """The first of the offers that the best of the ranges takes in.

    Args:
        ranges: media types that are accepted, perhaps with `*`, the best first.
        offers: as `kinds` gives them.

    Raises:
        NotAcceptable: there is none.
    """
    if not offers:
        raise NotAcceptable("this is nothing that can be rendered")
    for wanted in ranges:
        for offer in offers:
            if includes(wanted, offer):
                return offer
    raise NotAcceptable(f"this can be rendered as {' or '.join(offers)} only")
