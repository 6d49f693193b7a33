"""The canned teacher: answers that ship with the project, so that the pipeline runs without key and network."""

from tasks.llm.offline.bank import Bank, BankError, bank_size
from tasks.llm.offline.provider import OfflineProvider

__all__ = ["Bank", "BankError", "OfflineProvider", "bank_size"]
