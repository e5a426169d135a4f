"""A database as an older version left it."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


def older(engine: sa.Engine, scripts: Path, revision: str) -> None:
    """Make the tables that there were at `revision`."""
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("path_separator", "os")
    with engine.begin() as session:
        config.attributes["connection"] = session
        command.upgrade(config, revision)
