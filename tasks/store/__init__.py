"""The store: schema, database, artifacts, embedded servers. What the other engines may import is listed here."""

from tasks.store import services
from tasks.store.artifacts import (
    ArtifactStore,
    PackReport,
    open_artifacts,
    text_key,
)
from tasks.store.blobs import ArtifactCorrupt, ArtifactMissing, ArtifactStoreUnavailable, FileBlobs, S3Blobs
from tasks.store.bulk import ValueNotStorable, copy_rows
from tasks.store.database import (
    DatabaseUnavailable,
    MigrationFailed,
    SchemaTooNew,
    StoreError,
    connect,
    migrate,
)
from tasks.store.moving import Moved, MoveFailed, MoveRefused, move
from tasks.store.process import UNKNOWN, gone, machine, this_start
from tasks.store.schema import storable
from tasks.store.services import ServiceError, Services, ServiceStatus

__all__ = [
    "UNKNOWN",
    "ArtifactCorrupt",
    "ArtifactMissing",
    "ArtifactStore",
    "ArtifactStoreUnavailable",
    "DatabaseUnavailable",
    "FileBlobs",
    "MigrationFailed",
    "MoveFailed",
    "MoveRefused",
    "Moved",
    "PackReport",
    "S3Blobs",
    "SchemaTooNew",
    "ServiceError",
    "ServiceStatus",
    "Services",
    "StoreError",
    "ValueNotStorable",
    "connect",
    "copy_rows",
    "gone",
    "machine",
    "migrate",
    "move",
    "open_artifacts",
    "services",
    "storable",
    "text_key",
    "this_start",
]
