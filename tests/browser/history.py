"""A history for pages: several subsets, a conversion, vectors, and texts that attack whoever shows them."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Engine, text

from tasks.store import ArtifactStore
from tests.benchmarks.history import draw

# What a browser would run, load or obey, if it were not shown as text.
HOSTILE = (
    "<script>window.attacked = 'script'</script></script><!-- <img src='http://127.0.0.1:9/a.png' "
    "onerror=\"window.attacked = 'image'\"> [a](javascript:window.attacked='link') \" "
    "onclick=\"window.attacked='quote' "
    "<style>body{display:none}</style> \x1b[31mred\x1b[0m \u202edesrever\u202c {{ 7 * 7 }} </textarea></title>"
)
HOSTILE_ID = "Leetcode_00000000"
HUGE_ID = "Leetcode_00000001"
HUGE = 2_000_000  # characters
NAME = "n" * 20_000
CODE = f"def f(x):\n    return g(x) + h  # why\n{NAME}\n"  # of the huge one's first two trials


def fill(engine: Engine, artifacts: ArtifactStore, trials: int) -> None:
    """`trials` trials of a fifth as many questions, all of them with vectors and labelled."""
    draw(engine, trials)
    with engine.begin() as connection:
        # The only conversion shall be the hostile one below.
        connection.execute(text("delete from kodcode.responses where triplet_id not like '%\\_I'"))
        connection.execute(text("delete from kodcode.triplets where style <> 'instruct'"))
        # Accepted by hand, so that the two are in the list whatever was drawn.
        connection.execute(
            text(
                "update kodcode.triplets set status = 'accepted', reason = null, difficulty = 'hard',"
                " chosen_attempt = 0, trust = 0.123 where question_id in (:hostile, :huge)"
            ),
            {"hostile": HOSTILE_ID, "huge": HUGE_ID},
        )
        for statement in (
            "update kodcode.triplets set question = :t, solution = :t, test = :t where question_id = :q",
            "update kodcode.trials set solution = :t, message = :t, model = :t,"
            " outcomes = jsonb_build_object(:t, 'failed') where question_id = :q",
            "update kodcode.questions set model = :t, text = :t, caution = :t, seed_ids = array['s0'],"
            " benchmark = :t, benchmark_item = :t, benchmark_similarity = 0.9, annotated_category = :t"
            " where question_id = :q",
            "insert into kodcode.triplets (triplet_id, question_id, subset, style, status, reason, question, tries)"
            " values (:q || '_C', :q, 'Leetcode', 'complete', 'rejected', 'leaks_solution', :t,"
            " jsonb_build_array(jsonb_build_object('reason', :t, 'message', :t)))",
            "update kodcode.seeds set text = :t, source = :t, licence = :t where seed_id = 's0' and :q <> ''",
            "insert into kodcode.benchmark_items (benchmark, item_id, text, text_hash) select :t, '0', :t, 'b0'"
            " where :q <> ''",
            "insert into kodcode.contaminations (question_id, measure, benchmark, item_id, value, threshold)"
            " values (:q, 'terms', :t, '0', 0.5, 0.4)",
            "delete from kodcode.responses where triplet_id = :q || '_I' and :t <> ''",
        ):
            typed = statement.replace(":t", "cast(:t as text)").replace(":q", "cast(:q as text)")
            connection.execute(text(typed), {"t": HOSTILE, "q": HOSTILE_ID})
        [key] = artifacts.put_texts(connection, [HOSTILE + "\ud800\x00"])
        connection.execute(
            text(
                "insert into kodcode.llm_calls (request_hash, provider, model, stage, subset, attempt, sampling,"
                " prompt_key, answer_key, reasoning_key, finish_reason, input_tokens, cached_input_tokens,"
                " output_tokens, reasoning_tokens, cost_usd, latency_s, retries) values ('r', 'p', :model, 'respond',"
                " 'Leetcode', 0, '{}', :key, :key, :key, 'stop', 1, 0, 1, 1, 0.5, 1, 0)"
            ),
            {"model": HOSTILE, "key": key},
        )
        connection.execute(
            text(
                "insert into kodcode.responses (triplet_id, provider, model, attempt, status, request_hash, verdict,"
                " outcomes, code, message) values (:id, 'p', :text, 0, 'accepted', 'r', 'passed', '{}', :text, :text)"
            ),
            {"id": f"{HOSTILE_ID}_I", "text": HOSTILE},
        )
        connection.execute(
            text("update kodcode.triplets set question = repeat('huge ', :times) where question_id = :id"),
            {"times": HUGE // 5, "id": HUGE_ID},
        )
        for statement in (
            "update kodcode.triplets set solution = :code where triplet_id = :id || '_I'",
            "update kodcode.trials set solution = :code where question_id = :id and attempt < 2",
        ):
            connection.execute(text(statement), {"code": CODE, "id": HUGE_ID})
        connection.execute(text("update kodcode.questions set text_hash = question_id"))
        names = connection.scalars(text("select text_hash from kodcode.questions")).all()
        vectors = np.random.default_rng(0).normal(size=(len(names) + 1, 32)).astype("<f4")
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        connection.execute(
            text("insert into kodcode.embeddings (model, text_hash, vector) values (:model, :hash, :vector)"),
            [
                {"model": "<i>drawn</i>", "hash": name, "vector": vector.tobytes()}
                for name, vector in zip((*names, "b0"), vectors, strict=True)
            ],
        )
