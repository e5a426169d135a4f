"""A start stays short by what it does not import: counted, as a clock says little on a busy machine."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from tests.cli.process import READY, configured

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
    """What a second start, of an archive, imports until it is ready."""
    config = configured(tmp_path_factory.mktemp("start"))
    command = [sys.executable, "-X", "importtime", "-m", "hilum", "run", "--config", str(config)]
    modules: list[str] = []
    for _ in range(2):  # the first makes the tables, which takes Alembic
        with (
            config.with_suffix(".log").open("w+") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as broker,
        ):
            assert broker.stdout is not None
            said = "".join(iter(broker.stdout.readline, f"{READY}\n"))
            log.seek(0)
            lines = log.read().splitlines()
            broker.terminate()
        assert "Hilum" in said
        modules = [line.rpartition("|")[2].strip() for line in lines if "import time:" in line]
    return frozenset(modules)


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
