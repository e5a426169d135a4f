"""A start stays short by what it does not import: counted, as clocks say little when it is busy."""

from pathlib import Path
from typing import Final

import pytest
from tests.cli.process import running

MOST: Final = 900
"""Modules; some 810 there were when this was written, and 1,320 before."""
LATER: Final = frozenset(
    (
        *("alembic", "click", "fhir", "httpcore", "httpx", "hypercorn", "jinja2", "jwt", "numpy"),
        *("opentelemetry", "PIL", "pydicom", "pynetdicom", "requests", "rich", "tomlkit", "typer"),
        *("yaml", "cryptography.x509", "sqlalchemy.dialects.postgresql", "sqlalchemy.orm"),
        *("hilum.imaging.render", "hilum.frontends.admin.app", "hilum.upper_layer.requestor"),
    )
)
"""Packages and modules that wait for whoever asks for what they do (architecture, chapter 8)."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """What a start imports until it is ready, of an archive that is there already."""
    folder = tmp_path_factory.mktemp("start")
    config = folder / "config.toml"
    config.write_text(
        f'[server]\ndata = "{folder / "data"}"\n[dimse]\nport = 0\n[http]\nport = 0\n'
        "[mounts.ARCHIVE]\ndefault = true\n"
    )
    with running(config):  # makes the tables, which takes Alembic
        pass
    with running(config, cold=True, env={"PYTHONPROFILEIMPORTTIME": "1"}):
        lines = config.with_suffix(".log").read_text().splitlines()
    return frozenset(line.rpartition("|")[2].strip() for line in lines if "import time:" in line)


def test_what_not_every_start_needs_is_imported_later(imported: frozenset[str]) -> None:
    assert not LATER & imported


def test_a_start_imports_no_more_than_so_many_modules(imported: frozenset[str]) -> None:
    assert len(imported) <= MOST
    assert "hilum.backends.archive.archive" in imported  # or else nothing was counted


def test_what_waits_is_not_waited_for_in_vain() -> None:
    """Each name is one that could be imported, or it guards nothing."""
    root = Path(__file__).parents[2] / "src"
    for name in LATER:
        if name.startswith("hilum."):
            assert (root / f"{name.replace('.', '/')}.py").is_file()
