"""How the index comes to the tables that this version knows."""

from pathlib import Path

import sqlalchemy as sa

from hilum.backends.archive.schema import HEAD, METADATA
from hilum.state import upgrade as generic

_SCRIPTS = Path(__file__).with_name("migrations")


def upgrade(engine: sa.Engine) -> None:
    """Make the tables, or change older ones, in one transaction.

    Raises:
        BackendFault: they were made by a newer version.
    """
    generic.upgrade(engine, METADATA, _SCRIPTS, HEAD, "the archive's index")
