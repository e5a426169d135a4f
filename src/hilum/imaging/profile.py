"""Which colours do the numbers of an image mean? ICC profiles (PS3.18 §8.3.5.1.5)."""

from functools import lru_cache
from io import BytesIO
from struct import pack

from PIL import Image, ImageCms

from hilum.imaging.values import Values

LONGEST = 4 * 1024 * 1024  # bytes of a profile of an instance

_PROFILE = 0x00282000
_OPTICAL_PATHS = 0x00480105
_D50 = (0.9642, 1.0, 0.8249)
_SPACES = {  # name, gamma, and what red, green and blue are in XYZ, adapted to D50
    "adobergb": (
        "Adobe RGB (1998) compatible",
        2.19921875,
        ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
    ),
    "rommrgb": (
        "ROMM RGB compatible",
        1.8,
        ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)),
    ),
}


def profile_of(header: Values) -> bytes:
    """The profile of an instance, or of its first optical path; b"" where it has none."""
    found = header.raw(_PROFILE)
    if not found and (path := header.item(_OPTICAL_PATHS)) is not None:
        found = path.raw(_PROFILE)
    return found if len(found) <= LONGEST else b""


def in_space(image: Image.Image, own: bytes, wanted: str) -> tuple[Image.Image, bytes]:
    """The image with its colours as they are wanted, and the profile that says so.

    A profile that cannot be read is as if it were not there; who has none has sRGB.

    Args:
        image: RGB; a grey one has no colours, and goes as it came.
        own: the profile of the instance, or b"".
        wanted: one of `wish.PROFILES`, or "".
    """
    if image.mode != "RGB" or wanted in {"", "no"}:
        return image, b""
    own = own if _readable(own) else b""
    if wanted == "yes":
        return image, own or made("srgb")
    target = made(wanted)
    if not own and wanted == "srgb":
        return image, target
    try:
        changed = ImageCms.profileToProfile(
            image, BytesIO(own or made("srgb")), BytesIO(target), outputMode="RGB"
        )
    except ImageCms.PyCMSError:  # a profile that is none for images
        return image, target
    return changed or image, target


def _readable(own: bytes) -> bool:
    """Whether it is a profile of red, green and blue."""
    try:
        return ImageCms.ImageCmsProfile(BytesIO(own)).profile.xcolor_space.strip() == "RGB"
    except (OSError, ImageCms.PyCMSError):
        return False


@lru_cache(maxsize=3)
def made(name: str) -> bytes:
    """A profile by the name of its space: "srgb", "adobergb", "rommrgb"."""
    if name == "srgb":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    title, gamma, primaries = _SPACES[name]
    tags = {
        b"desc": _description(title),
        b"cprt": b"text\0\0\0\0" + b"no copyright, use freely\0",
        b"wtpt": _xyz(_D50),
        **dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(_xyz, primaries), strict=True)),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma)),
    }
    return _profile(tags)


def _profile(tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2, of a display of three colours (ICC.1:2001-04 §6)."""
    at = 128 + 4 + 12 * len(tags)
    table, data = pack(">L", len(tags)), b""
    for tag, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        table += tag + pack(">LL", at + len(data), len(value))
        data += padded
    header = pack(">L4sL4s4s4s", at + len(data), b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += b"".join(_fixed(each) for each in _D50)
    return header + bytes(128 - len(header)) + table + data


def _fixed(number: float) -> bytes:
    return pack(">l", round(number * 65536))


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + pack(">LH", 1, round(gamma * 256))


def _description(text: str) -> bytes:
    ascii_text = text.encode() + b"\0"
    return b"desc\0\0\0\0" + pack(">L", len(ascii_text)) + ascii_text + bytes(78)
