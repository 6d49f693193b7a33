"""The store: schema, database, artifacts. What the other engines may import is listed here."""

from tasks.store.database import (
    DatabaseUnavailable,
    MigrationFailed,
    SchemaTooNew,
    StoreError,
    connect,
    migrate,
)

__all__ = [
    "DatabaseUnavailable",
    "MigrationFailed",
    "SchemaTooNew",
    "StoreError",
    "connect",
    "migrate",
]
