"""What holds for every configuration? `doc/conformance.md`, whose tables are made from the code.

`python -m hilum.cli.stated.general doc/conformance.md` writes them there.
"""

import re
import sys
from pathlib import Path
from typing import Final

from hilum.cli.stated.tables import TABLES

_PACKAGED = Path(__file__).with_name("conformance.md")  # a wheel has a copy of it
_SOURCE = Path(__file__).parents[4] / "doc" / "conformance.md"
_MARK: Final = re.compile(r"<!-- .*?: (?:begin|end) -->\n")
_LINK: Final = re.compile(r"\[([^\]]+)\]\(manual/[^)]*\)")


def rewritten(page: str) -> str:
    """The page with each table between its marks as the code has it."""
    for name, made in TABLES.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, _, rest = page.partition(begin)
        _, found, after = rest.partition(end)
        if found:
            page = f"{before}{begin}{made()}\n{end}{after}"
    return page


def sections() -> dict[str, str]:
    """The sections of the general statement by their titles, without what is for us only."""
    text = (_PACKAGED if _PACKAGED.exists() else _SOURCE).read_text(encoding="utf-8")
    text = _LINK.sub(r"\1 of the manual", _MARK.sub("", text))
    parts = re.split(r"^## \d+\. (.+)$", text, flags=re.MULTILINE)
    return {title: body.strip() for title, body in zip(parts[1::2], parts[2::2], strict=True)}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(rewritten(path.read_text(encoding="utf-8")), encoding="utf-8")
