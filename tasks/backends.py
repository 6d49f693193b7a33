"""The places a run works with: database, artifact store and Prefect server, embedded or named by the user."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Engine

from tasks.settings import ConfigurationError, Settings, load_settings
from tasks.store import ArtifactStore, Services, connect, migrate, open_artifacts, services

Note = Callable[[str], None]


@dataclass(frozen=True)
class Backends:
    """Open connections; `services` are the embedded servers that this data folder runs, if any."""

    settings: Settings
    engine: Engine
    artifacts: ArtifactStore
    services: Services | None

    @classmethod
    def open(
        cls, settings: Settings | None = None, note: Note = lambda _: None, *, orchestrated: bool = True
    ) -> Backends:
        """Start what is embedded, connect, bring the schema up to date, try the artifact store.

        Without `orchestrated` the Prefect server is left as it is.

        Raises ConfigurationError, ServiceError, DatabaseUnavailable, SchemaTooNew or ArtifactStoreUnavailable.
        """
        settings = settings or load_settings()
        started = start_services(settings, note, orchestrated=orchestrated)
        database_url = settings.database_url.get_secret_value() if settings.database_url else None
        if database_url is None and started is not None:
            database_url = started.database_url
        if database_url is None:
            raise ConfigurationError("No database: set KODCODE_DATABASE_URL, or unset it to use the embedded one.")
        engine = connect(database_url)
        try:
            migrate(engine)
            artifacts = open_artifacts(settings.artifacts_url, settings.s3_endpoint_url, started)
            artifacts.check()
        except BaseException:  # an interrupt too must not leave connections
            engine.dispose()
            raise
        return cls(settings, engine, artifacts, started)

    def awaited(self) -> Backends:
        """The same when the embedded Prefect server, if there is one, answers; exports where it is by then."""
        if self.services is None:
            return self
        services = self.services.wait()
        os.environ.update(services.environment())
        return replace(self, services=services)

    def close(self) -> None:
        self.engine.dispose()


def check_prefect(url: str) -> None:
    """Raises ConfigurationError where no Prefect server answers at `url` (.../api)."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=10) as response:  # noqa: S310 (the user's URL)
            response.read()
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"No Prefect server answers at {url}: {error}. Start it, or unset PREFECT_API_URL to use the embedded one."
        ) from error


def wanted_services(settings: Settings) -> frozenset[str]:
    """Which servers the user has not named and kodcode therefore runs itself."""
    wanted = set()
    if settings.database_url is None:
        wanted.add("postgres")
    if settings.artifacts_url is None:
        wanted.add("s3")
    if settings.prefect_api_url is None:
        wanted.add("prefect")
    return frozenset(wanted)


def start_services(settings: Settings, note: Note = lambda _: None, *, orchestrated: bool = True) -> Services | None:
    """Bring up what `wanted_services` names and export where it is, for Prefect and for child processes."""
    wanted = wanted_services(settings) - (frozenset() if orchestrated else {"prefect"})
    if settings.prefect_api_url is not None:  # kodcode.toml's too, which Prefect does not read
        os.environ["PREFECT_API_URL"] = settings.prefect_api_url
    if not wanted:
        # Telemetry stays off with servers of others too.
        os.environ.update(Services(settings.data_dir).environment())
        return None
    started = services.up(settings.data_dir, wanted, note, wait=False)
    os.environ.update(started.environment())
    return started
