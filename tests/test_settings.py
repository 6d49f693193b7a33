"""Settings come from environment, file and defaults, and tell what is wrong without repeating it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.backends import start_services
from tasks.settings import ConfigurationError, load_settings


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder and no settings of the surroundings."""
    for name in list(os.environ):
        if name.startswith(("KODCODE_", "PREFECT_", "AWS_ENDPOINT")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    return tmp_path


def test_without_any_setting_everything_is_embedded_in_the_users_data_folder(alone: Path) -> None:
    settings = load_settings()
    assert settings.data_dir == alone / "home/.local/share/kodcode/main"
    assert (settings.database_url, settings.artifacts_url, settings.prefect_api_url) == (None, None, None)


def test_environment_beats_the_file_and_arguments_beat_both(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (alone / "kodcode.toml").write_text('teacher = "from-file"\nreasoner = "from-file"\nshard_size = 7\n')
    monkeypatch.setenv("KODCODE_TEACHER", "from-environment")
    monkeypatch.setenv("KODCODE_SHARD_SIZE", "8")
    settings = load_settings(shard_size=9)
    assert (settings.teacher, settings.reasoner, settings.shard_size) == ("from-environment", "from-file", 9)


def test_arguments_that_are_none_are_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KODCODE_SHARD_SIZE", "8")
    assert load_settings(shard_size=None).shard_size == 8


def test_common_variables_of_others_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:2")
    settings = load_settings()
    assert settings.prefect_api_url == "http://127.0.0.1:1/api"
    assert settings.s3_endpoint_url == "http://127.0.0.1:2"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KODCODE_MAX_CONCURRENCY", "lots-and-lots"),
        ("KODCODE_ARTIFACTS_URL", "ftp://somewhere-odd"),
        ("KODCODE_PROVIDER", "somebody-else"),
        ("KODCODE_TRIAL_TIMEOUT_S", "-77"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert name.removeprefix("KODCODE_").lower() in str(caught.value).lower()
    assert value not in str(caught.value)


def test_a_server_that_the_file_names_is_named_to_prefect_too(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect reads its environment only."""
    (alone / "kodcode.toml").write_text(
        'database_url = "postgresql://h/d"\nartifacts_url = "file:///a"\nprefect_api_url = "http://127.0.0.1:1/api"\n'
    )
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert start_services(load_settings()) is None
    assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:1/api"


def test_an_unknown_name_in_the_file_is_refused(alone: Path) -> None:
    (alone / "kodcode.toml").write_text('techer = "gpt"\n')
    with pytest.raises(ConfigurationError, match="techer"):
        load_settings()


def test_a_file_that_is_no_toml_is_told(alone: Path) -> None:
    (alone / "kodcode.toml").write_text("teacher = = 3\n")
    with pytest.raises(ConfigurationError, match=r"kodcode\.toml"):
        load_settings()


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KODCODE_DATABASE_URL", "postgresql://me:hunter2@host/db")
    assert "hunter2" not in repr(load_settings())
    assert "hunter2" not in str(load_settings())
