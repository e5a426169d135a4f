"""What one setting can be: an AE title, a time, a size, a folder, a secret."""

import re
import ssl
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, ClassVar, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
)

from hilum.config import units
from hilum.model.charsets import ENCODINGS
from hilum.model.identity import is_uid

LEAST_PDU = 64  # bytes of a P-DATA-TF; smaller ones are nothing but headers
MAX_AE_TITLE = 16  # characters, PS3.5 §6.2, VR AE
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://[^/?#@\s,]+")
_OURS = frozenset(
    ("accept", "connection", "content-length", "content-type", "transfer-encoding", "upgrade")
)
_SECRETS = frozenset(("authorization", "proxy-authorization", "cookie"))


def ae_title(text: str) -> str:
    """An AE title without the blanks around it, which mean nothing (PS3.5 §6.2).

    Raises:
        ValueError: it cannot be one.
    """
    stripped = text.strip(" ")
    if not stripped:
        raise ValueError("an AE title is not empty")
    if len(stripped) > MAX_AE_TITLE:
        raise ValueError(f"an AE title has at most {MAX_AE_TITLE} characters")
    if not all(" " <= each <= "~" and each != "\\" for each in stripped):
        raise ValueError("an AE title is plain ASCII, without backslash and control characters")
    return stripped


def listed(value: object) -> object:
    """A TOML array, or the commas of an environment variable, as a tuple."""
    if isinstance(value, str):
        return tuple(each.strip() for each in value.split(",") if each.strip())
    return tuple(value) if isinstance(value, list) else value


def _uid(text: str) -> str:
    if not is_uid(text):
        raise ValueError("not a UID: at most 64 digits and dots")
    return text


def _path(value: object, info: ValidationInfo) -> object:
    """A path; a relative one starts at the folder of the configuration file."""
    if value == "":
        raise ValueError("a path is not empty")
    path = Path(value).expanduser() if isinstance(value, (str, Path)) else value
    return info.context["folder"] / path if info.context and isinstance(path, Path) else path


def _host(text: str) -> str:
    name = text.strip().removeprefix("[").removesuffix("]")
    if not name or any(each.isspace() or each == "/" for each in name):
        raise ValueError("not a host name or an address")
    return name


def _base_path(text: str) -> str:
    inner = text.strip("/")
    if any(each.isspace() or each in "?#" for each in inner):
        raise ValueError('not a path; write it like "/pacs"')
    return f"/{inner}" if inner else ""


def _each_once(titles: tuple[str, ...]) -> tuple[str, ...]:
    twice = next((each for each in titles if titles.count(each) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} stands there twice")
    return titles


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_base = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        is_base = False
    if not is_base or parts.query or parts.fragment or re.search(r"\s", text):
        raise ValueError('not a base URL; write it like "https://images.example.org"')
    if "@" in parts.netloc:
        raise ValueError("a user and password do not stand in a URL")
    return text.rstrip("/")


def _root(url: str) -> str:
    name = url.rpartition("/")[2]
    if name in {"studies", "series", "instances"}:
        raise ValueError(f"a root is what stands before /{name}: leave that out")
    return url


def _charset(text: str) -> str:
    """Specific Character Set as it would stand in a data set (PS3.3 §C.12.1.1.2)."""
    terms = [each.strip(" ") for each in text.split("\\")]
    if terms == [""]:
        raise ValueError('a Specific Character Set is not empty; "ISO_IR 6" is the default one')
    for term in terms:
        if term not in ENCODINGS:
            near = get_close_matches(term.upper(), [each for each in ENCODINGS if each], n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise ValueError(f'"{term}" is no Specific Character Set{hint}')
    return "\\".join(terms)


def _certificates(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise ValueError(f"{path} holds no certificates (PEM)") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    return path


def _file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _sendable(secret: SecretStr) -> SecretStr:
    """A secret that can stand in a header (RFC 9110 §5.5)."""
    text = secret.get_secret_value()
    if not text or not text.isprintable() or not text.isascii() or text != text.strip():
        raise ValueError("cannot be sent: it is empty, or has blanks around it, or is not ASCII")
    return secret


def _headers(headers: dict[str, str | SecretStr]) -> dict[str, str | SecretStr]:
    seen: set[str] = set()
    for name, value in headers.items():
        low = name.lower()
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name} cannot be the name of a header")
        if low in seen:
            raise ValueError(f"{name} stands there twice; case does not matter")
        if low in _OURS:
            raise ValueError(f"{name} is said by each request itself")
        if low in _SECRETS and isinstance(value, str):
            raise ValueError(f'{name} is a secret; write {{env = "NAME"}} or {{file = "PATH"}}')
        text = value if isinstance(value, str) else value.get_secret_value()
        if not text.isprintable() or not text.isascii() or text != text.strip():
            raise ValueError(f"the value of {name} cannot be sent; it is one line of plain ASCII")
        seen.add(low)
    return headers


def _origin(text: str) -> str:
    """An origin as browsers write it (RFC 6454 §6.2), or "*"."""
    origin = text.strip().lower().removesuffix("/")
    if origin == "*":
        return origin
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        raise ValueError('not an origin; write it like "https://viewer.example.org", or "*"')
    return origin.removesuffix({"http": ":80", "https": ":443"}.get(found[1], "/"))


def _max_pdu(size: int) -> int:
    if 0 < size < LEAST_PDU:
        raise ValueError(f"at least {LEAST_PDU} bytes, or 0 for no limit")
    return size


AeTitle = Annotated[str, AfterValidator(ae_title)]
Host = Annotated[str, AfterValidator(_host)]
BasePath = Annotated[str, AfterValidator(_base_path)]
Url = Annotated[str, AfterValidator(_url)]
RootUrl = Annotated[Url, AfterValidator(_root)]
Charset = Annotated[str, AfterValidator(_charset)]
Port = Annotated[int, Field(ge=1, le=65535)]
BindPort = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, BeforeValidator(units.seconds), Field(gt=0, allow_inf_nan=False)]
Grace = Annotated[float, BeforeValidator(units.seconds), Field(ge=0, allow_inf_nan=False)]
Size = Annotated[int, BeforeValidator(units.size), Field(gt=0)]
Folder = Annotated[Path, BeforeValidator(_path)]
File = Annotated[Folder, AfterValidator(_file)]
Certificates = Annotated[Folder, AfterValidator(_certificates)]
AeTitles = Annotated[tuple[AeTitle, ...], BeforeValidator(listed), AfterValidator(_each_once)]
Uids = Annotated[tuple[Annotated[str, AfterValidator(_uid)], ...], BeforeValidator(listed)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(listed)]
MaxPdu = Annotated[
    int, BeforeValidator(units.size), Field(ge=0, le=2**32 - 1), AfterValidator(_max_pdu)
]
Secret = SecretStr
"""A value that no log, message or dump shows. Written as `{env = "NAME"}` or `{file = "PATH"}`."""
Token = Annotated[Secret, AfterValidator(_sendable)]
Headers = Annotated[dict[str, str | Secret], AfterValidator(_headers)]


RESTART: Final = "restart"
"""Marks a setting of a section that `reloads` which is applied by a restart only all the same."""


class Section(BaseModel):
    """Base of all sections: nothing unknown gets in, nothing changes afterwards.

    Attributes:
        reloads: whether a change, here and in the tables below, is applied while we serve.
    """

    reloads: ClassVar[bool] = False

    model_config = ConfigDict(
        defer_build=True,  # once, as part of the whole: a tenth of a second of each start
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
    )
