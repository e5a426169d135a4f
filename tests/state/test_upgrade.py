from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from tests.state.older import older

from hilum.model.errors import BackendFault
from hilum.state import state
from hilum.state.database import open_database
from hilum.state.schema import HEAD, METADATA
from hilum.state.upgrade import upgrade


def run(engine: sa.Engine) -> None:
    upgrade(engine, METADATA, state._SCRIPTS, HEAD, "the database of this test")


@pytest.mark.parametrize("begins", ["nothing", "0001"])
def test_whatever_it_begins_with_it_has_what_the_schema_says(tmp_path: Path, begins: str) -> None:
    engine = open_database(tmp_path / "state.db", writes=True)
    if begins != "nothing":
        older(engine, state._SCRIPTS, begins)
    run(engine)
    run(engine)
    with engine.connect() as session:
        context = MigrationContext.configure(session)
        assert context.get_current_revision() == HEAD
        assert compare_metadata(context, METADATA) == []
        indexes = sa.inspect(session).get_indexes("send")
    engine.dispose()
    assert [each["name"] for each in indexes] == ["ix_send_state_changed"]


def test_the_head_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(state._SCRIPTS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_database_of_a_newer_version_is_left_alone_and_told(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "state.db", writes=True)
    run(engine)
    with engine.begin() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BackendFault, match=r"the database of this test .*newer Hilum .*9999"):
        run(engine)
    engine.dispose()
