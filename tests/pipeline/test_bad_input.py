"""What a user can get wrong: one paragraph, the right exit status, no traceback, nothing lost."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import text

from tests.conftest import S3Server
from tests.pipeline.conftest import Workplace

pytestmark = pytest.mark.slow
RUN = ("run", "--subset", "leetcode", "--questions", "12", "--attempts", "1", "--concurrency", "4")


def complaint(workplace: Workplace, *arguments: str, status: int, **environment: str) -> str:
    """What the command says when it refuses, checked to be one paragraph."""
    done = workplace.kodcode(*arguments, status=status, **environment)
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("kodcode: ")]
    assert len(said) == 1, done.stderr
    return said[0]


@pytest.fixture
def provider() -> Iterator[Callable[..., str]]:
    """Starts servers that give these answers in turn; returns the base URL."""
    servers = []

    def start(status: int, *bodies: bytes) -> str:
        turns = itertools.cycle(bodies)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(next(turns))

            def log_message(self, *arguments: object) -> None:
                """Silent."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield start
    for server in servers:
        server.shutdown()


def test_unknown_subset_lists_the_subsets(workplace: Workplace) -> None:
    said = complaint(workplace, "run", "--subset", "leetkode", status=2)
    assert "leetkode" in said
    assert "code-contests" in said


def test_broken_seed_rows_are_named_and_the_others_used(workplace: Workplace, provider: Callable[..., str]) -> None:
    seeds = workplace.folder / "seeds.jsonl"
    good = [
        json.dumps({"text": f"Problem {n}: given an array of {n} numbers, return their product."}) for n in range(5)
    ]
    seeds.write_text("\n".join([good[0], "{broken", good[1], json.dumps({"title": "no text"}), *good[2:]]))
    question = {"choices": [{"message": {"content": "Write a function `f(x)` that returns x times two. " * 3}}]}
    url = provider(200, json.dumps(question).encode())
    done = workplace.kodcode(*RUN, "--base-url", url, "--seeds", str(seeds), status=0, OPENAI_API_KEY="k")
    assert "2" in done.stderr
    assert "4" in done.stderr
    assert workplace.rows("select count(*) from kodcode.seeds where subset = 'Leetcode'")[0][0] == 5


def test_empty_seeds_are_refused_before_anything_is_asked(workplace: Workplace) -> None:
    seeds = workplace.folder / "seeds.jsonl"
    seeds.write_text("")
    assert "seeds.jsonl" in complaint(workplace, *RUN, "--seeds", str(seeds), status=2, OPENAI_API_KEY="k")


def test_unreachable_provider_leaves_everything_to_be_continued(workplace: Workplace) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    assert "again" in complaint(workplace, *RUN, "--base-url", url, status=1, OPENAI_API_KEY="k")
    assert workplace.rows("select count(*) from kodcode.questions where status in ('pending', 'failed')")[0][0] == 12


def test_wrong_key_stops_at_once_and_is_not_repeated(workplace: Workplace, provider: Callable[..., str]) -> None:
    secret = "sk-very-secret-0123456789"
    url = provider(401, b'{"error": {"message": "Incorrect API key provided", "type": "invalid_request_error"}}')
    said = complaint(workplace, *RUN, "--base-url", url, status=1, OPENAI_API_KEY=secret)
    assert "OPENAI_API_KEY" in said
    assert secret not in said
    assert workplace.rows("select count(*) from kodcode.questions where status = 'pending'")[0][0] >= 8


def test_missing_key_is_told_before_anything_is_asked(workplace: Workplace) -> None:
    assert "OPENAI_API_KEY" in complaint(workplace, *RUN, status=1)


def test_garbage_from_the_provider_is_no_answer(workplace: Workplace, provider: Callable[..., str]) -> None:
    url = provider(200, b"<html>gateway</html>", b'{"choices": []}', b"{not json", b"[]")
    complaint(workplace, *RUN, "--base-url", url, status=1, OPENAI_API_KEY="k")
    assert workplace.rows("select count(*) from kodcode.llm_calls")[0][0] == 0
    assert workplace.rows("select count(*) from kodcode.questions where status in ('pending', 'failed')")[0][0] == 12


def test_database_of_a_newer_schema_is_left_alone(workplace: Workplace) -> None:
    workplace.kodcode("sql", "select 1")
    with workplace.engine.begin() as connection:
        connection.execute(text("update kodcode.alembic_version set version_num = '9999_from_the_future'"))
    assert "newer" in complaint(workplace, *RUN, status=1, OPENAI_API_KEY="k")


def test_unreachable_database_is_told_without_its_password(workplace: Workplace) -> None:
    url = "postgresql://me:hunter2@127.0.0.1:1/none"
    said = complaint(workplace, *RUN, status=1, KODCODE_DATABASE_URL=url, OPENAI_API_KEY="k")
    assert "hunter2" not in said


def test_missing_bucket_is_told(workplace: Workplace, s3: S3Server) -> None:
    said = complaint(
        workplace,
        *RUN,
        status=1,
        OPENAI_API_KEY="k",
        KODCODE_ARTIFACTS_URL="s3://no-such-bucket",
        KODCODE_S3_ENDPOINT_URL=s3.endpoint_url,
        AWS_ACCESS_KEY_ID=s3.access_key,
        AWS_SECRET_ACCESS_KEY=s3.secret_key,
    )
    assert "no-such-bucket" in said


def test_data_folder_that_cannot_be_written_is_told(workplace: Workplace) -> None:
    folder = "/sys/kodcode"  # where not even root may make a folder
    environment = {name: value for name, value in workplace.environment.items() if not name.startswith("PREFECT")}
    del environment["KODCODE_DATABASE_URL"]
    bare = replace(workplace, environment=environment)
    assert folder in complaint(bare, "up", "--data-dir", folder, status=1)


def test_a_wrong_setting_is_named_without_its_value(workplace: Workplace) -> None:
    said = complaint(workplace, *RUN, status=2, KODCODE_MAX_CONCURRENCY="many-secret")
    assert "max_concurrency" in said.lower()
    assert "many-secret" not in said


def test_unknown_id_shows_what_ids_look_like(workplace: Workplace) -> None:
    assert "Leetcode_00000012" in complaint(workplace, "why", "nonsense", status=2)


def test_missing_benchmark_file_is_told_before_anything_is_asked(workplace: Workplace) -> None:
    missing = workplace.folder / "none.jsonl"
    assert "none.jsonl" in complaint(workplace, *RUN, "--benchmark", str(missing), status=2, OPENAI_API_KEY="k")


def test_prefect_server_that_is_not_there_is_told(workplace: Workplace) -> None:
    said = complaint(workplace, *RUN, status=2, PREFECT_API_URL="http://127.0.0.1:1/api", OPENAI_API_KEY="k")
    assert "http://127.0.0.1:1/api" in said
