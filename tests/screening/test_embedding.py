"""Embedders: the built-in lexical one, and a real HTTP endpoint of the OpenAI protocol."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from tasks.screening import (
    EmbedderMisconfigured,
    EmbedderUnavailable,
    HashedEmbedder,
    OpenAIEmbedder,
    make_embedder,
    screen_subset,
)

TEXTS = ["Reverse a linked list.", "Find the median of two sorted arrays.", "", "¿?", "x" * 100_000]


def test_hashed_vectors_are_unit_rows_and_the_same_alone_or_in_company() -> None:
    embedder = HashedEmbedder()
    together = embedder.embed(TEXTS)
    assert together.shape == (len(TEXTS), embedder.dimension)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1)
    alone = np.concatenate([HashedEmbedder().embed([text]) for text in reversed(TEXTS)])[::-1]
    assert np.array_equal(together, alone)
    assert embedder.embed([]).shape == (0, embedder.dimension)


def test_hashed_vectors_never_change() -> None:
    # Stored vectors are compared with new ones: whoever changes the embedder must change its name, then this value.
    assert HashedEmbedder.name == "hashed-384-v1"
    digest = hashlib.sha256(HashedEmbedder().embed(TEXTS[:4]).astype("<f4").tobytes()).hexdigest()
    assert digest == "a179711c708e6a18e9591aff19041cfa68ed18acba8d9bdf66381168a5c6c544"


def test_hashed_vectors_are_near_for_edited_texts_and_far_for_others() -> None:
    text = (
        "Given a list of intervals, each a pair of integers, merge all that overlap and return the merged intervals "
        "sorted by their start. Intervals that only touch count as overlapping. The input may be empty or unsorted."
    )
    other = "Write a function that counts how often each word occurs in a text, ignoring case and punctuation marks."
    original, edited, far = HashedEmbedder().embed([text, text.replace("integers", "ints").upper(), other])
    assert original @ edited > 0.95
    assert abs(original @ far) < 0.4


def test_a_text_of_megabytes_gets_a_vector() -> None:
    vector = HashedEmbedder().embed([" ".join(map(str, range(200_000)))])
    assert np.linalg.norm(vector) == pytest.approx(1)


Answer = Callable[[dict[str, Any]], tuple[int, bytes]]


class Endpoint:
    """An HTTP server that records requests and answers as it is told."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answer: Answer = self.vectors
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.requests.append(body | {"path": self.path, "key": self.headers.get("Authorization")})
                status, content = endpoint.answer(body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def vectors(self, body: dict[str, Any]) -> tuple[int, bytes]:
        """A vector that tells the text's length, in reverse order, of length other than 1."""
        data = [
            {"object": "embedding", "index": index, "embedding": [3.0 * len(text), 4.0 * len(text), 0.0]}
            for index, text in enumerate(body["input"])
        ]
        return self.say({"object": "list", "model": body["model"], "data": data[::-1], "usage": {}})

    @staticmethod
    def say(content: object, status: int = 200) -> tuple[int, bytes]:
        return status, json.dumps(content).encode()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    thread = threading.Thread(target=endpoint.server.serve_forever)
    thread.start()
    yield endpoint
    endpoint.server.shutdown()
    endpoint.server.server_close()
    thread.join()


def embedder(endpoint: Endpoint, **options: Any) -> OpenAIEmbedder:
    return OpenAIEmbedder("some-model", base_url=endpoint.url, api_key="secret-key", **({"retries": 0} | options))


def test_an_endpoint_is_asked_in_batches_and_its_vectors_are_ordered_and_made_unit(endpoint: Endpoint) -> None:
    model = embedder(endpoint, batch_size=2, max_characters=4)
    vectors = model.embed(["a", "bb", "", "dddddddd", "e"])
    assert np.allclose(vectors, [[0.6, 0.8, 0]] * 5)
    assert vectors.dtype == np.float32
    assert [request["input"] for request in endpoint.requests] == [["a", "bb"], [" ", "dddd"], ["e"]]
    assert {request["path"] for request in endpoint.requests} == {"/v1/embeddings"}
    assert {request["encoding_format"] for request in endpoint.requests} == {"float"}
    assert "dimensions" not in endpoint.requests[0]
    assert (model.name, model.dimension) == ("some-model", 3)
    assert model.embed([]).shape == (0, 3)
    assert len(endpoint.requests) == 3


def test_a_dimension_is_asked_for_and_part_of_the_name(endpoint: Endpoint) -> None:
    model = embedder(endpoint, dimension=3)
    model.embed(["a"])
    assert endpoint.requests[0]["dimensions"] == 3
    assert model.name == "some-model@3"


def test_an_unknown_dimension_is_learned_by_one_request(endpoint: Endpoint) -> None:
    model = embedder(endpoint)
    assert (model.dimension, model.dimension) == (3, 3)
    assert len(endpoint.requests) == 1


def test_an_overloaded_endpoint_is_tried_again(endpoint: Endpoint) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, bytes]:
        return (529, b"{}") if len(endpoint.requests) == 1 else endpoint.vectors(body)

    endpoint.answer = answer
    assert embedder(endpoint, retries=1).embed(["a"]).shape == (1, 3)
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 400])
def test_a_refusal_is_misconfiguration_and_says_nothing_of_the_key(endpoint: Endpoint, status: int) -> None:
    endpoint.answer = lambda body: endpoint.say({"error": {"message": "no"}}, status)
    with pytest.raises(EmbedderMisconfigured, match="some-model") as raised:
        embedder(endpoint).embed(["a"])
    assert "secret-key" not in str(raised.value)


NONSENSE = [
    b"<html>",
    b"{}",
    b"[]",
    b'"text"',
    b'{"data": []}',
    b'{"data": [{"index": 0, "embedding": []}]}',
    b'{"data": [{"index": 0, "embedding": [0, 0]}]}',
    b'{"data": [{"index": 0, "embedding": [1, "x"]}]}',
    b'{"data": [{"index": 0, "embedding": [1e999, 1]}]}',
    b'{"data": [{"index": 0, "embedding": "AAAA"}]}',
    b'{"data": [{"index": null, "embedding": [1]}]}',
    b'{"data": ["x"]}',
    b'{"data": {"embedding": [1]}}',
]


@pytest.mark.parametrize("content", NONSENSE)
def test_nonsense_is_unavailability_not_a_vector(endpoint: Endpoint, content: bytes) -> None:
    endpoint.answer = lambda body: (200, content)
    with pytest.raises(EmbedderUnavailable, match="some-model"):
        embedder(endpoint).embed(["a"])


def test_a_dimension_that_changes_is_nonsense(endpoint: Endpoint) -> None:
    model = embedder(endpoint)
    model.embed(["a"])
    endpoint.answer = lambda body: endpoint.say({"data": [{"index": 0, "embedding": [1, 2]}]})
    with pytest.raises(EmbedderUnavailable, match="shape"):
        model.embed(["a"])


def test_an_endpoint_that_is_not_there_is_unavailable(endpoint: Endpoint) -> None:
    with pytest.raises(EmbedderUnavailable, match="no answer"):
        OpenAIEmbedder("m", base_url="http://127.0.0.1:1/v1", api_key="k", retries=0).embed(["a"])


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(EmbedderMisconfigured, match="OPENAI_API_KEY"):
        OpenAIEmbedder("m")


def test_hashed_is_the_built_in_embedder_and_any_other_name_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert isinstance(make_embedder("hashed"), HashedEmbedder)
    assert make_embedder("text-embedding-3-small").name == "text-embedding-3-small"


def test_a_sentence_transformers_model_is_named_with_its_prefix_and_says_what_to_install() -> None:
    if importlib.util.find_spec("sentence_transformers") is not None:
        pytest.skip("the extra is installed: the next tests try it")
    with pytest.raises(EmbedderMisconfigured, match=r"uv pip install .* sentence-transformers"):
        make_embedder("sentence-transformers:BAAI/bge-small-en-v1.5")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny real model: a random vector a word, averaged."""
    transformers = pytest.importorskip("sentence_transformers", reason="the extra `embeddings` is not installed")
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = ["[UNK]", "reverse", "a", "linked", "list", "find", "the", "median", "of", "two", "sorted", "arrays", "."]
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    generator = np.random.default_rng(1)
    weights = generator.normal(size=(len(words), 16)).astype(np.float32)
    folder = tmp_path_factory.mktemp("model")
    transformers.SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)]).save(str(folder))
    return folder


def test_a_local_sentence_transformers_model_gives_unit_vectors_under_its_folders_name(model_folder: Path) -> None:
    model = make_embedder(f"sentence-transformers:{model_folder}")
    assert (model.name, model.dimension) == (f"sentence-transformers:{model_folder.resolve()}", 16)
    vectors = model.embed(["reverse a linked list", "list linked a reverse", "find the median", " "])
    assert (vectors.shape, vectors.dtype) == ((4, 16), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert vectors[0] @ vectors[1] == pytest.approx(1)
    assert vectors[0] @ vectors[2] < 0.95
    assert model.embed([]).shape == (0, 16)


def test_a_folder_without_a_model_is_misconfiguration(model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbedderMisconfigured, match="cannot be loaded"):
        make_embedder(f"sentence-transformers:{tmp_path}")


def test_questions_are_screened_by_the_vectors_of_an_endpoint_which_are_asked_for_once(
    database: Engine, propose: Callable[..., list[str]], endpoint: Endpoint
) -> None:
    meanings = {"fewest": [1.0, 0.0], "smallest": [1.0, 0.01]}

    def answer(body: dict[str, Any]) -> tuple[int, bytes]:
        data = [
            {"index": n, "embedding": next((v for word, v in meanings.items() if word in text), [0.0, 1.0])}
            for n, text in enumerate(body["input"])
        ]
        return endpoint.say({"data": data})

    endpoint.answer = answer
    model = make_embedder("meaning", base_url=endpoint.url, api_key="k")
    texts = ["Return the fewest coins.", "Give back the smallest number of coins.", "Rotate a matrix."]
    propose(texts)
    report = screen_subset(database, "Leetcode", model)
    assert report.counts == {"accepted": 2, "duplicate_semantic": 1}
    propose(texts, subset="Apps")
    screen_subset(database, "Apps", model)
    assert [len(request["input"]) for request in endpoint.requests] == [3]
