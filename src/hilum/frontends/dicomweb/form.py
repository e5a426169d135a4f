"""What has somebody written into a form of ours? (HTML §4.10.21.7: a form as a URL's query)."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request

from hilum.codec import media_type
from hilum.frontends.dicomweb.upload import Body, ClientGoneError
from hilum.model.errors import BadRequest

_FORM: Final = "application/x-www-form-urlencoded"


async def fields(request: Request, longest: int, most: int = 10) -> Mapping[str, list[str]]:
    """What was written, by the name of the field.

    Args:
        request: brings it.
        longest: bytes of it.
        most: how many fields.

    Raises:
        BadRequest: it is something else.
        TooLarge: it is longer.
    """
    if media_type.parse(request.headers.get("content-type", "")).kind != _FORM:
        raise BadRequest(f"this is no form: {_FORM}")
    try:
        pieces = [piece async for piece in Body(request, longest).pieces()]
        return parse_qs(b"".join(pieces).decode("ascii"), max_num_fields=most)
    except (ValueError, ClientGoneError):
        raise BadRequest("the form cannot be read") from None
