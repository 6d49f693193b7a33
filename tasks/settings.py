"""Settings: `KODCODE_*` environment, then `kodcode.toml` in the current folder, then defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIG_FILE = "kodcode.toml"


def user_data_dir() -> Path:
    """Where data live unless `--data-dir` or KODCODE_DATA_DIR says otherwise (XDG Base Directory)."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "kodcode"


class ConfigurationError(Exception):
    """A setting is missing or wrong; the message names it and says what to write."""


class Settings(BaseSettings):
    """Everything that outlives one command line. Options of one run are parameters of the flows."""

    model_config = SettingsConfigDict(
        env_prefix="KODCODE_", toml_file=CONFIG_FILE, extra="forbid", frozen=True, populate_by_name=True
    )

    data_dir: Path = Field(default_factory=lambda: user_data_dir() / "main")
    database_url: SecretStr | None = Field(None, description="External PostgreSQL; embedded where absent.")
    artifacts_url: str | None = Field(
        None, description="s3://BUCKET[/PREFIX] or file:///FOLDER; embedded where absent."
    )
    s3_endpoint_url: str | None = Field(
        None, validation_alias=AliasChoices("KODCODE_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "s3_endpoint_url")
    )
    prefect_api_url: str | None = Field(
        None, validation_alias=AliasChoices("PREFECT_API_URL", "KODCODE_PREFECT_API_URL", "prefect_api_url")
    )

    provider: Literal["openai", "anthropic", "offline"] = "openai"
    base_url: str | None = Field(None, description="Any OpenAI-compatible server; the SDK's own default where absent.")
    teacher: str = "gpt-4o"
    base_model: str | None = Field(
        None, description="Complete the chat template for Prefill and Filter: MODEL[=TEMPLATE], comma-separated."
    )
    annotator: str | None = Field(None, description="Judges every subset's questions; else the teacher, Filter's.")
    reasoner: str | None = Field(None, description="Writes reasoning responses; the teacher where absent.")
    max_concurrency: int = Field(32, ge=1, le=10_000, description="Requests in flight.")
    mode: Literal["online", "batch", "auto"] = Field("online", description="How requests go to the provider.")
    batch_least: int = Field(100, ge=1, description="In mode auto: requests ready together that make a batch.")
    batch_tries: int = Field(2, ge=1, le=10, description="Batches that may leave a request unanswered.")
    batch_wait_s: float = Field(6 * 3600, gt=0, description="In mode auto: how long a batch may take.")
    batch_gather_s: float = Field(10, gt=0, le=3600, description="A batch is closed when none came for so long.")
    batch_poll_s: float = Field(300, gt=0, le=3600, description="Longest time between two looks at a batch.")
    prices: Path | None = Field(None, description="Price table on top of the shipped one.")
    model_terms: Path | None = Field(None, description="Terms of models, before those of tasks/licences/models.toml.")

    sandbox_python: Path | None = None
    sandbox_jobs: int = Field(0, ge=0, description="Executions at once; 0: one a core.")
    trial_timeout_s: float = Field(30.0, gt=0, le=3600)
    trial_memory_mb: int = Field(4096, ge=64)
    allow_weak_sandbox: bool = False
    confirm: bool = Field(
        True, description="Repeat what passed, with solution and test in two processes where that can be told."
    )

    shard_size: int | None = Field(
        None, ge=1, le=100_000, description="Rows a Prefect task carries; what took ten minutes lately where absent."
    )
    log: Literal["human", "json"] = Field("human", description="Lines for people, or a JSON object a line.")
    execution: Literal["local", "prefect", "dask"] = Field(
        "local",
        description="Who works on shards: the flow's process, runs of the deployment drain/drain, or a Dask cluster.",
    )
    drainers: int = Field(2, ge=1, le=1000, description="Workers at once, where not local.")
    dask_scheduler: str | None = Field(None, description="Address of a Dask scheduler, like tcp://HOST:8786.")
    lease_s: float = Field(60.0, ge=1, le=3600, description="After so long without a sign a worker is taken for lost.")
    stall_s: float = Field(
        3600.0, gt=0, description="A shard of which no row ends for so long is given up; never while it is in batches."
    )
    embedder: str = Field(
        "hashed",
        description="'hashed', 'sentence-transformers:MODEL', or the name of an OpenAI-compatible embeddings model.",
    )
    embedder_url: str | None = Field(None, description="Of the server with that embeddings model, including /v1.")

    benchmark_policy: Literal["reject", "use_with_caution"] = Field(
        "reject", description="What becomes of a question that is too near to a benchmark."
    )
    thresholds: dict[str, int | float] = Field(
        {}, description="Of screening where not the default: tasks.screening.Thresholds, like {ngram = 8}."
    )
    across_subsets: bool = Field(False, description="Screen questions against the other subsets' too.")

    @field_validator("data_dir", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("artifacts_url")
    @classmethod
    def _known_scheme(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("s3://", "file:///")):
            raise ValueError("write s3://BUCKET[/PREFIX] or file:///FOLDER")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**overrides: Any) -> Settings:
    """Settings with `overrides` (None means not given) on top.

    Raises ConfigurationError with one line a problem; values are not repeated, they may be secrets.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_input=False, include_url=False):
            name = ".".join(str(part) for part in problem["loc"]) or "settings"
            lines.append(f"{name}: {problem['msg']}")
        raise ConfigurationError("The settings are not usable. " + "; ".join(lines)) from None
    except ValueError as error:  # tomllib's decode error, pydantic-settings' own parsing
        raise ConfigurationError(f"{CONFIG_FILE} cannot be read: {error}") from error
