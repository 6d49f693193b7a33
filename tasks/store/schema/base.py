"""What all tables share: the schema's name, types that take text of any origin, the checks of a status."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    Dialect,
    Float,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase

SCHEMA = "kodcode"
STATUSES = ("pending", "accepted", "rejected", "failed")
STYLES = ("instruct", "complete", "online_judge")

Json = dict[str, Any]


def storable(value: Any) -> Any:
    """`value` as PostgreSQL can hold it: without NUL and lone surrogates. Models write both."""
    if isinstance(value, str):
        return value.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


class StorableText(TypeDecorator[str]):
    """Text of any origin. What a model really wrote is in the artifact store, byte for byte."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class StorableJson(TypeDecorator[Any]):
    """JSONB of any origin."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return storable(value)


class Base(DeclarativeBase):
    metadata = MetaData(
        schema=SCHEMA,
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        },
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own protocol)
        str: StorableText,
        Json: StorableJson(none_as_null=True),
        list[Json]: StorableJson(none_as_null=True),
        list[str]: ARRAY(Text),
        list[int]: ARRAY(SmallInteger),
        list[float]: ARRAY(Float),
        datetime: DateTime(timezone=True),
        Decimal: Numeric(14, 8),
        bytes: LargeBinary,
    }


def status_check() -> CheckConstraint:
    return CheckConstraint(f"status in {STATUSES}", name="status")


def reason_check() -> CheckConstraint:
    return CheckConstraint("status not in ('rejected', 'failed') or reason is not null", name="reason")
