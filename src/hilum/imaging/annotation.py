"""Which text is burnt into an image that shall say whose it is? (PS3.18 §8.3.5.1.1)."""

from PIL import Image, ImageDraw, ImageFont

from hilum.imaging.values import Values

_SMALLEST = 9  # pixels in a line
_LINES = 32  # of text that fit one above the other, where the image is large enough
_MARGIN = 0.5  # of a line
_SEXES = {"M": "male", "F": "female", "O": "other"}
_TECHNIQUE = (  # tag, words before and behind
    (0x00180015, "", ""),  # Body Part Examined
    (0x00185101, "", ""),  # View Position
    (0x00180060, "", " kVp"),
    (0x00181151, "", " mA"),
    (0x00181152, "", " mAs"),
    (0x00181150, "", " ms"),
    (0x00180080, "TR ", " ms"),
    (0x00180081, "TE ", " ms"),
    (0x00180082, "TI ", " ms"),
    (0x00180050, "", " mm"),  # Slice Thickness
    (0x00201041, "at ", " mm"),  # Slice Location
)


def patient(header: Values) -> list[str]:
    """Who it is, and when it was made."""
    name = header.text(0x00100010).split("=")[0].replace("^", " ").strip()
    born, sex = _date(header.text(0x00100030)), _SEXES.get(header.text(0x00100040), "")
    made = header.text(0x00080022) or header.text(0x00080020)
    at = header.text(0x00080032) or header.text(0x00080030)
    clock = f"{at[:2]}:{at[2:4]}" if at[:4].isdigit() and len(at) >= 4 else ""  # noqa: PLR2004 - HHMM
    lines = (
        name,
        header.text(0x00100020),
        " ".join(each for each in (born and f"* {born}", sex) if each),
        " ".join(each for each in (_date(made), clock) if each),
        header.text(0x00080080),  # Institution Name
    )
    return [line for line in lines if line]


def technique(header: Values) -> list[str]:
    """How it was made."""
    first = " ".join(each for each in (header.text(0x00080060), header.text(0x0008103E)) if each)
    found = [
        before + text + behind
        for tag, before, behind in _TECHNIQUE
        if (text := _plain(header.number(tag)) or header.text(tag))
    ]
    pairs = ["  ".join(found[index : index + 3]) for index in range(0, len(found), 3)]
    return [line for line in (first, *pairs) if line]


def burnt(image: Image.Image, top: list[str], bottom: list[str]) -> Image.Image:
    """The image with text in its upper and lower left corner, white with a black border."""
    lines = [line[:100] for line in top + bottom]
    if not lines:
        return image
    image = image.copy()
    size = max(_SMALLEST, image.height // max(_LINES, len(lines) + 2))
    font = ImageFont.load_default(size)
    longest = max(font.getlength(line) for line in lines)
    if longest > image.width - size:
        size = max(_SMALLEST, int(size * (image.width - size) / longest))
        font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(image)
    white = 255 if image.mode == "L" else (255, 255, 255)
    black = 0 if image.mode == "L" else (0, 0, 0)
    step = round(size * 1.25)
    below = image.height - len(bottom) * step - _MARGIN * size
    places = [(_MARGIN * size + index * step) for index in range(len(top))]
    places += [below + index * step for index in range(len(bottom))]
    for place, line in zip(places, lines, strict=True):
        draw.text(
            (_MARGIN * size, place),
            line,
            fill=white,
            font=font,
            stroke_width=max(1, size // 10),
            stroke_fill=black,
        )
    return image


def _date(text: str) -> str:
    whole = len(text) == 8 and text.isdigit()  # noqa: PLR2004 - YYYYMMDD
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if whole else text


def _plain(number: float | None) -> str:
    return "" if number is None else f"{number:g}"
