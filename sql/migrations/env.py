"""Alembic's environment: runs on the connection and in the transaction that `tasks.store.migrate` opened.

A new revision is drafted from the models, against a migrated database, and then checked by hand:

    with connect(URL).begin() as connection:
        alembic.command.revision(alembic_config(connection), "What changes", autogenerate=True)
"""

from alembic import context

from tasks.store.database import VERSION_TABLE, VIEW_TABLE
from tasks.store.schema import SCHEMA, Base


def is_of_the_models(name: str | None, kind: str, _: object) -> bool:
    return name == SCHEMA if kind == "schema" else (kind, name) != ("table", VIEW_TABLE)


connection = context.config.attributes["connection"]
connection.exec_driver_sql(f"create schema if not exists {SCHEMA}")
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    version_table_schema=SCHEMA,
    include_schemas=True,
    include_name=is_of_the_models,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
