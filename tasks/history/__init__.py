"""What happened, told from the database: the funnel, the audit, the life of one row, and what SQL is asked of it."""

from tasks.history.audit import Audit, Offender, audit
from tasks.history.funnel import FunnelRow, funnel
from tasks.history.mirror import MirrorFailed, MirrorFile, mirror
from tasks.history.pace import Pace, paces, spent_today, workers
from tasks.history.queries import NamedQuery, Parameter, QueryError, named_queries, named_query
from tasks.history.reading import GrantFailed, grant_reading, reading
from tasks.history.stages import STATUSES, stages
from tasks.history.why import UnknownId, why

__all__ = [
    "STATUSES",
    "Audit",
    "FunnelRow",
    "GrantFailed",
    "MirrorFailed",
    "MirrorFile",
    "NamedQuery",
    "Offender",
    "Pace",
    "Parameter",
    "QueryError",
    "UnknownId",
    "audit",
    "funnel",
    "grant_reading",
    "mirror",
    "named_queries",
    "named_query",
    "paces",
    "reading",
    "spent_today",
    "stages",
    "why",
    "workers",
]
