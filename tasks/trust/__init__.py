"""Trust: how far a pair of solution and test that passed can be believed. See README.md in this folder.

Knows programs and the sandbox's verdicts on them; no database and no model.
"""

from tasks.trust.agreement import Consensus, SuiteRow, consensus
from tasks.trust.assess import Assessed, Assessment, assess
from tasks.trust.execution import InfrastructureFailure, Planned, Seen, execute
from tasks.trust.matrix import Candidate
from tasks.trust.mutants import MAX_MUTANTS, Mutant, mutants
from tasks.trust.score import FACTORS, Evidence, trust

__all__ = [
    "FACTORS",
    "MAX_MUTANTS",
    "Assessed",
    "Assessment",
    "Candidate",
    "Consensus",
    "Evidence",
    "InfrastructureFailure",
    "Mutant",
    "Planned",
    "Seen",
    "SuiteRow",
    "assess",
    "consensus",
    "execute",
    "mutants",
    "trust",
]
