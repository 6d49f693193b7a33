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
from tasks.settings import REPOSITORY
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

    def texts(count: int, words: int) -> list[str]:
        return [" ".join(drawn) for drawn in draws.choice(vocabulary, (count, words), p=popular)]

    with engine.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))  # counted below, not row by row
        connection.execute(text("delete from kodcode.responses"))
        connection.execute(text("delete from kodcode.triplets where style <> 'instruct'"))
        ids = connection.execute(text("select triplet_id, status from kodcode.triplets order by 1")).all()
        trials = connection.execute(text("select question_id, attempt from kodcode.trials")).all()
        keys = artifacts.put_texts(connection, texts(len(ids), WORDS["reasoning"]))
        kept = [(row.triplet_id, key) for row, key in zip(ids, keys, strict=True) if row.status == "accepted"]
        for statement, values in (
            (
                "update kodcode.triplets t set question = u.q, solution = u.s, test = u.t from unnest(cast(:id as"
                " text[]), cast(:q as text[]), cast(:s as text[]), cast(:t as text[])) u (id, q, s, t)"
                " where triplet_id = u.id",
                {"id": [row.triplet_id for row in ids], "q": texts(len(ids), WORDS["question"]),
                 "s": texts(len(ids), WORDS["solution"]), "t": texts(len(ids), WORDS["test"])},
            ),
            (
                "update kodcode.trials t set solution = u.s from unnest(cast(:id as text[]), cast(:attempt as int[]),"
                " cast(:s as text[])) u (id, attempt, s) where question_id = u.id and t.attempt = u.attempt",
                {"id": [row.question_id for row in trials], "attempt": [row.attempt for row in trials],
                 "s": texts(len(trials), WORDS["solution"])},
            ),
            (
                "insert into kodcode.llm_calls (request_hash, provider, model, stage, subset, attempt, sampling,"
                " prompt_key, answer_key, reasoning_key, finish_reason, input_tokens, cached_input_tokens,"
                " output_tokens, reasoning_tokens, cost_usd, latency_s, retries) select id, 'p', 'r1', 'respond',"
                " 'Apps', 0, '{}', key, key, key, 'stop', 500, 0, 700, 600, 0.01, 5, 0"
                " from unnest(cast(:id as text[]), cast(:key as text[])) u (id, key)",
                {"id": [name for name, _ in kept], "key": [key for _, key in kept]},
            ),
            (
                "insert into kodcode.responses (triplet_id, provider, model, attempt, status, request_hash, verdict,"
                " outcomes, code) select id, 'p', 'r1', 0, 'accepted', id, 'passed', '{}', 'def f(x): return x'"
                " from unnest(cast(:id as text[])) u (id)",
                {"id": [name for name, _ in kept]},
            ),
            ("update kodcode.questions set text_hash = question_id", {}),
        ):  # fmt: skip
            connection.execute(text(statement), values)
        names = connection.scalars(text("select text_hash from kodcode.questions where status = 'accepted'")).all()
        vectors = draws.normal(size=(len(names), 384)).astype("<f4")
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        connection.execute(
            text("insert into kodcode.embeddings (model, text_hash, vector) select 'drawn', hash, vector"
                 " from unnest(cast(:hash as text[]), cast(:vector as bytea[])) u (hash, vector)"),
            {"hash": list(names), "vector": [vector.tobytes() for vector in vectors]},
        )  # fmt: skip
        connection.execute(text("select kodcode.rebuild_rollup()"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))


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


def test_a_name_of_any_length_is_one_step(page: Page) -> None:  # noqa: F811
    """A name of 200,000 letters and 25,000 names of eight: as many letters take the highlighter as long."""
    script = (REPOSITORY / "tasks" / "report" / "page.js").read_text("utf-8")
    took = page.evaluate(
        """pattern => {
            const token = eval(pattern);
            const time = (text) => {
                const begun = performance.now();
                for (const found of text.matchAll(token)) void found;
                return performance.now() - begun;
            };
            return ['n'.repeat(200_000), 'nnnnnnn '.repeat(25_000)].map((text) => Math.min(time(text), time(text)));
        }""",
        script.partition("const TOKEN = ")[2].partition(";\n")[0],
    )
    print(f"\none name {took[0]:.1f} ms, many names {took[1]:.1f} ms")
    assert took[0] < 10 * took[1]
