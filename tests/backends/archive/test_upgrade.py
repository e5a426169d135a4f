from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from tests.backends.archive import opened
from tests.state.older import older

from hilum.backends.archive import upgrade as module
from hilum.backends.archive.schema import HEAD, METADATA
from hilum.backends.archive.upgrade import upgrade
from hilum.model.errors import BackendFault
from hilum.state.database import open_database


@pytest.mark.parametrize("begins", ["nothing", "0001"])
def test_whatever_it_begins_with_it_has_what_the_schema_says(tmp_path: Path, begins: str) -> None:
    engine = open_database(tmp_path / "index.db", writes=True)
    if begins != "nothing":
        older(engine, module._SCRIPTS, begins)
    upgrade(engine)
    with engine.connect() as session:
        context = MigrationContext.configure(session)
        assert context.get_current_revision() == HEAD
        assert compare_metadata(context, METADATA) == []
        made = {
            name: sql
            for name, sql in session.execute(sa.text("SELECT name, sql FROM sqlite_master"))
            if sql and "alembic" not in name
        }
    engine.dispose()
    other = sa.create_engine("sqlite://")
    METADATA.create_all(other)
    with other.connect() as session:
        wanted = dict(
            session.execute(
                sa.text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
            ).all()  # type: ignore[arg-type] # rows of two
        )
    other.dispose()
    assert set(made) == set(wanted)
    assert {name: " ".join(sql.split()) for name, sql in made.items() if name.startswith("ix")} == {
        name: " ".join(sql.split()) for name, sql in wanted.items() if name.startswith("ix")
    }


def test_the_head_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(module._SCRIPTS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_doing_it_again_does_nothing(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "index.db", writes=True)
    upgrade(engine)
    upgrade(engine)
    engine.dispose()


@pytest.mark.anyio
async def test_an_index_of_a_newer_version_is_left_alone_and_told(tmp_path: Path) -> None:
    async with opened.archive(tmp_path):
        pass
    engine = open_database(tmp_path / "index.db", writes=True)
    with engine.begin() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(BackendFault, match=r"newer Hilum .*9999"):
        async with opened.archive(tmp_path):
            pass
    engine = open_database(tmp_path / "index.db", writes=True)
    with engine.begin() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = :head"), {"head": HEAD})
    engine.dispose()
    async with opened.archive(tmp_path):
        pass


@pytest.mark.anyio
async def test_an_index_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "index.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(BackendFault, match="index cannot be used"):
        async with opened.archive(tmp_path):
            pass
