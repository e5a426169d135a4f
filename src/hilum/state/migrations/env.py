"""How does Alembic run our migrations: on the connection that it is handed."""

from alembic import context

from hilum.state.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite cannot alter a table in place
    transactional_ddl=False,  # the caller's transaction holds all of it
)
context.run_migrations()
