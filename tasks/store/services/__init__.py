"""The embedded servers of a data folder: PostgreSQL, S3 and Prefect, started from installed packages."""

from tasks.store.services._control import ALL, Services, ServiceStatus, down, status, up
from tasks.store.services._postgres import binaries
from tasks.store.services._process import ServiceError

__all__ = ["ALL", "ServiceError", "ServiceStatus", "Services", "binaries", "down", "status", "up"]
