"""Alembic's environment: runs on the connection and in the transaction that `tasks.store.migrate` opened."""

from alembic import context

from tasks.store.database import VERSION_TABLE
from tasks.store.schema import SCHEMA, Base

connection = context.config.attributes["connection"]
connection.exec_driver_sql(f"create schema if not exists {SCHEMA}")
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    version_table_schema=SCHEMA,
    include_schemas=True,
    include_name=lambda name, kind, _: kind != "schema" or name == SCHEMA,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
