"""An imported question names every file that has it among its seeds, so that the licence of each counts."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        update kodcode.questions q set seed_ids = q.seed_ids || also.seed_ids, updated_at = now()
        from (
            select question_id, array_agg(distinct seed_id) as seed_ids
            from (
                select r.question_id, 'imported-' || left(r.import_id, 16) as seed_id
                from kodcode.import_rows r where r.status = 'stored'
            ) named
            join kodcode.questions using (question_id)
            where seed_id <> all(questions.seed_ids)
            group by question_id
        ) also
        where also.question_id = q.question_id
        """
    )


def downgrade() -> None:
    """More seeds than before harm nobody."""
