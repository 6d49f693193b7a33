"""Language models: providers, the ledger that pays once, prices. What other modules may import is listed here."""

from tasks.llm.batch import BatchPolicy
from tasks.llm.budget import Budget, BudgetError
from tasks.llm.gateway import GRACE_S, Gateway, Progress
from tasks.llm.ledger import LedgerError, stored_answer, stored_answers, stored_request
from tasks.llm.prices import FREE, Price, PriceTable, PriceTableError, UnknownPrice, parse_price
from tasks.llm.providers import make_provider, replay_provider
from tasks.llm.types import (
    Answer,
    BatchUnanswered,
    BatchUnsupported,
    BudgetReached,
    Completion,
    Message,
    NotRecorded,
    Provider,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnavailable,
    Request,
    Sampling,
    Usage,
)

__all__ = [
    "FREE",
    "GRACE_S",
    "Answer",
    "BatchPolicy",
    "BatchUnanswered",
    "BatchUnsupported",
    "Budget",
    "BudgetError",
    "BudgetReached",
    "Completion",
    "Gateway",
    "LedgerError",
    "Message",
    "NotRecorded",
    "Price",
    "PriceTable",
    "PriceTableError",
    "Progress",
    "Provider",
    "ProviderError",
    "ProviderMisconfigured",
    "ProviderRefused",
    "ProviderUnavailable",
    "Request",
    "Sampling",
    "UnknownPrice",
    "Usage",
    "make_provider",
    "parse_price",
    "replay_provider",
    "stored_answer",
    "stored_answers",
    "stored_request",
]
