"""What is being asked, independent of QIDO-RS and C-FIND."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hilum.model.identity import Level

Path = tuple[int, ...]
"""Tags from the outermost sequence to the attribute: (0x0040_0275, 0x0040_0007)."""


@dataclass(frozen=True, slots=True)
class Query:
    """Matching and return keys of one search.

    Attributes:
        level: what each match describes.
        match: path -> value in C-FIND notation: `*`, `?`, `a-b`, and lists parted by
            a backslash (PS3.4 §C.2.2.2). Never empty values: those are in `include`.
        include: further attributes to return, beyond the level's defaults
            (PS3.18 Tables 10.6.3-3 to 10.6.3-5), which every backend gives where it has them.
        include_all: every attribute that the backend holds for the level.
        limit: most matches to return; None means as many as there are.
        offset: matches to skip.
        fuzzy: fuzzy semantic matching of person names (PS3.4 §C.2.2.2.1.1) was asked for.
        is_bare: nobody wants the level's defaults (C-FIND): they may be left out where they cost
            something.
    """

    level: Level
    match: Mapping[Path, str] = field(default_factory=dict)
    include: frozenset[Path] = frozenset()
    include_all: bool = False
    limit: int | None = None
    offset: int = 0
    fuzzy: bool = False
    is_bare: bool = False
