"""Styles: conversions of verified triplets, each proven by execution."""

from tasks.styles.complete import check_complete, parse_complete
from tasks.styles.online_judge import Limits, OnlineJudge, check_online_judge, parse_online_judge, read_online_judge
from tasks.styles.types import Converted, Judge, JudgeUnavailable, Reason, Rejection

__all__ = [
    "Converted",
    "Judge",
    "JudgeUnavailable",
    "Limits",
    "OnlineJudge",
    "Reason",
    "Rejection",
    "check_complete",
    "check_online_judge",
    "parse_complete",
    "parse_online_judge",
    "read_online_judge",
]
