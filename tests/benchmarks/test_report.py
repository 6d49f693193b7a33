"""How fast a page of 10,000 triplets is made, painted and filtered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import Engine, text

from tasks.report import Selection, make_report
from tasks.store import ArtifactStore, open_artifacts
from tests.benchmarks.history import TRIALS_A_QUESTION, draw
from tests.benchmarks.measure import cpu_s
from tests.browser.conftest import browser, page, seen  # noqa: F401 (fixtures)
from tests.conftest import TEMPLATE, PostgresServer, _fresh

pytestmark = pytest.mark.benchmark

TRIPLETS = 10_000
WORDS = {"question": 150, "solution": 120, "test": 250, "reasoning": 500}


@pytest.fixture(scope="module")
def history(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, ArtifactStore]]:
    artifacts = open_artifacts(tmp_path_factory.mktemp("artifacts").as_uri())
    for engine in _fresh(postgres, TEMPLATE):
        draw(engine, TRIPLETS * TRIALS_A_QUESTION)
        _write(engine, artifacts)
        yield engine, artifacts


def _write(engine: Engine, artifacts: ArtifactStore) -> None:
    """Texts that compress as English does, a response with reasoning for each accepted triplet, and vectors."""
    draws = np.random.default_rng(0)
    vocabulary = np.array(["".join(draws.choice(list("etaoinshrdlu"), size)) for size in draws.integers(2, 10, 4000)])
    popular = 1 / np.arange(1, len(vocabulary) + 1)
    popular /= popular.sum()
    with engine.begin() as connection:
        connection.execute(text("delete from kodcode.responses"))
        connection.execute(text("delete from kodcode.triplets where style <> 'instruct'"))
        ids = connection.execute(text("select triplet_id, status from kodcode.triplets order by 1")).all()
        texts = {
            name: [" ".join(words) for words in draws.choice(vocabulary, (len(ids), count), p=popular)]
            for name, count in WORDS.items()
        }
        keys = artifacts.put_texts(connection, texts["reasoning"])
        connection.execute(
            text("update kodcode.triplets set question = :q, solution = :s, test = :t where triplet_id = :id"),
            [
                {"id": row.triplet_id, "q": q, "s": s, "t": t}
                for row, q, s, t in zip(ids, texts["question"], texts["solution"], texts["test"], strict=True)
            ],
        )
        kept = [(row.triplet_id, key) for row, key in zip(ids, keys, strict=True) if row.status == "accepted"]
        connection.execute(
            text(
                "insert into kodcode.llm_calls (request_hash, provider, model, stage, subset, attempt, sampling,"
                " prompt_key, answer_key, reasoning_key, finish_reason, input_tokens, cached_input_tokens,"
                " output_tokens, reasoning_tokens, cost_usd, latency_s, retries) values (:id, 'p', 'r1', 'respond',"
                " 'Apps', 0, '{}', :key, :key, :key, 'stop', 500, 0, 700, 600, 0.01, 5, 0)"
            ),
            [{"id": name, "key": key} for name, key in kept],
        )
        connection.execute(
            text(
                "insert into kodcode.responses (triplet_id, provider, model, attempt, status, request_hash, verdict,"
                " outcomes, code) values (:id, 'p', 'r1', 0, 'accepted', :id, 'passed', '{}', 'def f(x): return x')"
            ),
            [{"id": name} for name, _ in kept],
        )
        connection.execute(text("update kodcode.questions set text_hash = question_id"))
        names = connection.scalars(text("select text_hash from kodcode.questions where status = 'accepted'")).all()
        vectors = draws.normal(size=(len(names), 384)).astype("<f4")
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        connection.execute(
            text("insert into kodcode.embeddings (model, text_hash, vector) values ('drawn', :hash, :vector)"),
            [{"hash": name, "vector": vector.tobytes()} for name, vector in zip(names, vectors, strict=True)],
        )


@pytest.fixture(scope="module")
def report(history: tuple[Engine, ArtifactStore], tmp_path_factory: pytest.TempPathFactory) -> Path:
    engine, artifacts = history
    begun, cpu = time.perf_counter(), cpu_s()
    made = make_report(engine, artifacts, Selection(), tmp_path_factory.mktemp("report") / "report.html")
    took = time.perf_counter() - begun
    print(f"\n{made.triplets} triplets, {made.bytes / 1e6:.1f} MB, made in {took:.1f} s, {cpu_s() - cpu:.1f} s CPU")
    assert made.triplets == TRIPLETS
    return made.path


def _painted_ms(tab: Page, address: str) -> float:
    tab.goto(address, wait_until="commit")
    return float(
        tab.evaluate(
            """() => new Promise(done => new PerformanceObserver(list => {
                for (const entry of list.getEntriesByName('first-contentful-paint')) done(entry.startTime);
            }).observe({ type: 'paint', buffered: true }))"""
        )
    )


def test_first_paint(report: Path, browser: Browser, page: Page, tmp_path: Path) -> None:  # noqa: F811
    empty = tmp_path / "empty.html"
    empty.write_text("<!doctype html><h1>empty</h1>")
    page.goto("about:blank")
    baseline = _painted_ms(page, empty.as_uri())
    begun = time.perf_counter()
    painted = _painted_ms(page, report.as_uri())
    page.wait_for_selector("html[data-ready]")
    ready = time.perf_counter() - begun
    page.wait_for_selector("#detail h4")
    opened = time.perf_counter() - begun
    print(
        f"\nfirst paint {painted:.0f} ms (an empty page {baseline:.0f} ms), list ready after {ready:.2f} s, "
        f"first triplet open after {opened:.2f} s"
    )
    assert painted < 3000


def test_filters(report: Path, page: Page) -> None:  # noqa: F811
    page.goto(report.as_uri())
    page.wait_for_selector("#detail h4")
    measured = page.evaluate(
        """async () => {
            const set = (id, value) => {
                const input = document.getElementById(id);
                input.value = value;
                input.dispatchEvent(new Event('input', { bubbles: true }));
            };
            const drawn = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
            const took = {};
            for (const [name, act] of Object.entries({
                'a letter': () => set('filter-text', 'e'),
                'three words': () => set('filter-text', 'ta ni se'),
                'no such word': () => set('filter-text', 'xyzzy'),
                'all again': () => set('filter-text', ''),
                'a subset': () => set('filter-subset', '1'),
                'trust': () => set('filter-trust', '0.5'),
                'sorted': () => set('sort', 'trust'),
                'to the end': () => { document.getElementById('list').scrollTop = 1e9; },
            })) {
                const begun = performance.now();
                act();
                await drawn();
                took[name] = performance.now() - begun;
            }
            return took;
        }"""
    )
    print("\n" + ", ".join(f"{name} {ms:.0f} ms" for name, ms in measured.items()))
    assert max(measured.values()) < 300


def test_opening_a_triplet(report: Path, page: Page) -> None:  # noqa: F811
    page.goto(report.as_uri())
    page.wait_for_selector("#detail h4")
    for name in ("Docs_00002000_I", "Taco_00001000_I"):
        begun = time.perf_counter()
        page.evaluate("name => { location.hash = name }", name)
        page.locator("#detail h3", has_text=name).wait_for()
        print(f"\n{name} open after {(time.perf_counter() - begun) * 1000:.0f} ms")
    heap = page.evaluate("performance.memory.usedJSHeapSize / 1e6")
    print(f"JavaScript heap {heap:.0f} MB")
    assert heap < 500
