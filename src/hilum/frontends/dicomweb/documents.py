"""How are data sets written into an answer: as JSON, or as XML? (PS3.18 §8.7.3.2)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from hilum.codec import dicom_json, dicom_xml
from hilum.codec.media_type import DICOM_JSON, DICOM_XML, JSON, XML_PARTS
from hilum.codec.multipart import closing, new_boundary, part_head
from hilum.frontends.dicomweb.asked import one_of
from hilum.frontends.dicomweb.json_array import PIECE, array
from hilum.model.errors import BackendFault, BadDataset

SEVERAL: Final = (DICOM_JSON, JSON, XML_PARTS)
"""As what a list of data sets can be given; JSON is never a multipart, XML always one."""
ONE: Final = (DICOM_JSON, JSON, DICOM_XML)
"""As what one data set can be given."""
OF_AN_INSTANCE: Final = (*SEVERAL, DICOM_XML)
"""As what the only data set of a list can be given."""


def written(kind: str, attributes: Mapping[str, Any]) -> bytes:
    """One data set; `kind` in `ONE`."""
    encode = dicom_xml.dumps if kind == DICOM_XML else dicom_json.dumps
    return encode(attributes)


@dataclass(frozen=True, slots=True)
class Form:
    """How a list of data sets is written.

    Attributes:
        kind: in `OF_AN_INSTANCE`.
        boundary: of a multipart.
    """

    kind: str
    boundary: str = ""

    @property
    def is_json(self) -> bool:
        """JSON of either name."""
        return self.kind in {DICOM_JSON, JSON}

    @property
    def content_type(self) -> str:
        """Of the whole answer."""
        return f"{XML_PARTS}; boundary={self.boundary}" if self.kind == XML_PARTS else self.kind

    def written(self, objects: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """The body; at least one piece.

        Args:
            objects: data sets in the DICOM JSON Model; one at least where they become XML.

        Raises:
            BackendFault: one of them is none.
        """
        return array(objects) if self.is_json else self._xml(objects)

    async def whole(self, objects: Sequence[bytes]) -> bytes:
        """The same at once."""
        if self.is_json:
            return b"[" + b",".join(objects) + b"]"
        async with aclosing(_each(objects)) as each, aclosing(self._xml(each)) as pieces:
            return b"".join([piece async for piece in pieces])

    async def _xml(self, objects: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        gathered: list[bytes] = []
        size, is_first = 0, True
        async for each in objects:
            if self.kind == XML_PARTS:
                gathered.append(part_head(self.boundary, _HEAD, first=is_first))
            elif not is_first:
                raise BackendFault("there are several data sets where one was announced")
            is_first = False
            gathered.append(as_xml(each))
            size += len(gathered[-1])
            if size >= PIECE:
                yield b"".join(gathered)
                gathered.clear()
                size = 0
            await asyncio.sleep(0)  # one takes about a millisecond; others want their turn
        if self.kind == XML_PARTS:
            gathered.append(closing(self.boundary))
        yield b"".join(gathered)


def form(request: Request, *, one: bool = False) -> Form:
    """How the client likes a list best.

    Args:
        request: that of the client.
        one: it has one data set and no more, by what it addresses.

    Raises:
        NotAcceptable: it takes no form that there is.
    """
    kind = one_of(request, OF_AN_INSTANCE if one else SEVERAL)
    return Form(kind, new_boundary() if kind == XML_PARTS else "")


def as_xml(json: bytes) -> bytes:
    """A data set of the DICOM JSON Model as an XML document.

    Raises:
        BackendFault: it is none.
    """
    try:
        return dicom_xml.dumps(dicom_json.loads(json))
    except BadDataset as error:
        raise BackendFault(f"a data set cannot be given as XML: {error}") from error


async def _each(objects: Sequence[bytes]) -> AsyncGenerator[bytes, None]:
    for each in objects:
        yield each


_HEAD = {"Content-Type": DICOM_XML}
