"""Releases are put together from shards, which later ones share; rows of those that are there become such shards."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# A shard of its own for each thousand questions of each subset in each release; no later release can take it, since
# its id is no hash.
SHARDS = """
create temporary table sharded on commit drop as
select i.release_id, i.format, i.split, i.triplet_id, q.subset, q.number / 1000 as place,
       format('release %s, %s-%s', i.release_id, q.subset, q.number / 1000) as shard_id
from kodcode.release_items i join kodcode.triplets t using (triplet_id)
join kodcode.questions q using (question_id);
insert into kodcode.release_shards (shard_id, subset, first_number, last_number, files, origins, prompts, proven)
select distinct shard_id, subset, place * 1000, place * 1000 + 999, '[]'::jsonb, '[]'::jsonb, '{}'::jsonb, '{}'::jsonb
from sharded;
insert into kodcode.release_shard_rows (shard_id, format, split, triplet_ids)
select shard_id, format, split, array_agg(triplet_id order by triplet_id) from sharded group by 1, 2, 3;
insert into kodcode.release_parts (release_id, shard_id) select distinct release_id, shard_id from sharded;
"""
ITEMS = """
insert into kodcode.release_items (release_id, format, triplet_id, split)
select release_id, format, unnest(triplet_ids), split
from kodcode.release_parts join kodcode.release_shard_rows using (shard_id)
"""


def upgrade() -> None:
    op.create_table(
        "release_shards",
        sa.Column("shard_id", sa.Text(), nullable=False),
        sa.Column("subset", sa.Text(), nullable=False),
        sa.Column("first_number", sa.Integer(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("files", JSONB(), nullable=False),
        sa.Column("origins", JSONB(), nullable=False),
        sa.Column("prompts", JSONB(), nullable=False),
        sa.Column("proven", JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("shard_id", name=op.f("pk_release_shards")),
        schema="kodcode",
    )
    op.create_index("ix_release_shards_place", "release_shards", ["subset", "first_number"], schema="kodcode")
    op.create_table(
        "release_shard_rows",
        sa.Column("shard_id", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("triplet_ids", sa.ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["shard_id"], ["kodcode.release_shards.shard_id"], name=op.f("fk_release_shard_rows_shard_id")
        ),
        sa.PrimaryKeyConstraint("shard_id", "format", "split", name=op.f("pk_release_shard_rows")),
        schema="kodcode",
    )
    op.create_table(
        "release_parts",
        sa.Column("release_id", sa.Integer(), nullable=False),
        sa.Column("shard_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["release_id"], ["kodcode.releases.release_id"], name=op.f("fk_release_parts_release_id")
        ),
        sa.ForeignKeyConstraint(
            ["shard_id"], ["kodcode.release_shards.shard_id"], name=op.f("fk_release_parts_shard_id")
        ),
        sa.PrimaryKeyConstraint("release_id", "shard_id", name=op.f("pk_release_parts")),
        schema="kodcode",
    )
    op.create_index("ix_release_parts_shard_id", "release_parts", ["shard_id"], schema="kodcode")
    for statement in filter(str.strip, SHARDS.split(";")):
        op.execute(statement)
    op.drop_table("release_items", schema="kodcode")


def downgrade() -> None:
    op.create_table(
        "release_items",
        sa.Column("release_id", sa.Integer(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("triplet_id", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["release_id"], ["kodcode.releases.release_id"], name=op.f("fk_release_items_release_id")
        ),
        sa.ForeignKeyConstraint(
            ["triplet_id"], ["kodcode.triplets.triplet_id"], name=op.f("fk_release_items_triplet_id")
        ),
        sa.PrimaryKeyConstraint("release_id", "format", "triplet_id", name=op.f("pk_release_items")),
        schema="kodcode",
    )
    op.create_index("ix_release_items_triplet_id", "release_items", ["triplet_id"], schema="kodcode")
    op.execute(ITEMS)
    op.drop_table("release_parts", schema="kodcode")
    op.drop_table("release_shard_rows", schema="kodcode")
    op.drop_table("release_shards", schema="kodcode")
