"""The proof that nothing was dropped without a reason: each law is a query in sql/audit that returns its offenders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, select, text

from tasks.store import ArtifactStore
from tasks.store.schema import Artifact, LlmCall, Release

LAWS = Path(__file__).resolve().parents[2] / "sql" / "audit"


@dataclass(frozen=True, slots=True)
class Offender:
    law: str
    id: str
    problem: str


@dataclass(frozen=True, slots=True)
class Audit:
    """Which laws were checked on how many rows, and what broke them."""

    laws: dict[str, str]
    rows: dict[str, int]
    offenders: tuple[Offender, ...]

    @property
    def clean(self) -> bool:
        return not self.offenders


def audit(engine: Engine, artifacts: ArtifactStore) -> Audit:
    """Check every law of sql/audit, that every answer in the ledger can be read, and that released files are whole."""
    laws, offenders = {}, []
    with engine.connect() as connection:
        # One snapshot: a run at work must not look like a broken law.
        connection.execute(text("set transaction isolation level repeatable read read only"))
        for path in sorted(LAWS.glob("*.sql")):
            comment, query = path.read_text().split("\n", 1)
            laws[path.stem] = comment.removeprefix("--").strip()
            offenders += [Offender(path.stem, row.id, row.problem) for row in connection.execute(text(query))]
        rows = {
            row.stage: int(row.rows)
            for row in connection.execute(text("select stage, sum(rows) as rows from kodcode.v_stages group by stage"))
        }
        keys = connection.scalars(
            select(Artifact.key)
            .join(LlmCall, Artifact.key.in_((LlmCall.prompt_key, LlmCall.answer_key, LlmCall.reasoning_key)))
            .distinct()
        ).all()
        rows["ledger text"] = len(keys)
        laws["artifacts"] = (
            "Every prompt and answer in the ledger can be read back and has the content that its key names."
        )
        offenders += [
            Offender("artifacts", key, str(found))
            for key, found in artifacts.get_texts(connection, keys)
            if isinstance(found, Exception)
        ]
        laws["release files"] = "Every file that a release's manifest names is there with its checksum."
        for release in connection.execute(select(Release.release_id, Release.manifest)):
            for file in release.manifest["files"]:
                if (problem := artifacts.file_problem(file["key"], file["sha256"])) is not None:
                    offenders.append(Offender("release files", f"{release.release_id}/{file['key']}", problem))
    return Audit(laws, rows, tuple(offenders))
