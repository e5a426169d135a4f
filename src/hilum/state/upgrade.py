"""How a database comes to the tables that this version knows."""

import logging
from pathlib import Path

import sqlalchemy as sa

from hilum.model.errors import BackendFault


def upgrade(engine: sa.Engine, tables: sa.MetaData, scripts: Path, head: str, what: str) -> None:
    """Make the tables, or change older ones, in one transaction.

    Args:
        engine: of the database.
        tables: what it has at the head.
        scripts: folder of the migrations, for a database that is older.
        head: the last of them.
        what: the database, for people: "the archive's index".

    Raises:
        BackendFault: the tables were made by a newer version.
    """
    with engine.begin() as session:
        found = _revision(session)
        if found == head:
            return  # the usual case, and Alembic takes a third of a second and 10 MB to import
        if found is None and not _has_any(session, tables):
            _make(session, tables, head)
            return
        _migrate(session, scripts, found, head, what)


def _revision(session: sa.Connection) -> str | None:
    if not sa.inspect(session).has_table("alembic_version"):
        return None
    return session.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _has_any(session: sa.Connection, tables: sa.MetaData) -> bool:
    return not tables.tables.keys().isdisjoint(sa.inspect(session).get_table_names())


def _make(session: sa.Connection, tables: sa.MetaData, head: str) -> None:
    """All tables as they are today, and Alembic's own word that they are."""
    tables.create_all(session)
    version = sa.Table(
        "alembic_version",
        sa.MetaData(),
        sa.Column("version_num", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    version.create(session)
    session.execute(version.insert().values(version_num=head))


def _migrate(
    session: sa.Connection, scripts: Path, found: str | None, head: str, what: str
) -> None:
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)  # six lines of no use
    from alembic import command  # noqa: PLC0415 - as above
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = session
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise BackendFault(
            f"{what} was written by a newer Hilum (its revision is {found}, ours is {head}); "
            "run that version, or restore what was there before"
        )
    command.upgrade(config, "head")
