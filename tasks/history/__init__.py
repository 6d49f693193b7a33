"""What happened, told from the database: the funnel, the audit, and the life of one row."""

from tasks.history.audit import Audit, Offender, audit
from tasks.history.funnel import FunnelRow, funnel
from tasks.history.stages import stages
from tasks.history.why import UnknownId, why

__all__ = ["Audit", "FunnelRow", "Offender", "UnknownId", "audit", "funnel", "stages", "why"]
