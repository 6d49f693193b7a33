"""Licences: what seeds and models allow, which rows a policy keeps, and under what a release may be given away."""

from tasks.licences.models import (
    UNKNOWN_TERMS,
    ModelTerms,
    TermsError,
    TermsTable,
    Training,
)
from tasks.licences.policy import POLICIES, LicencePolicy, model_problem, seed_problem
from tasks.licences.resulting import Author, Origin, Resulting, resulting_licence
from tasks.licences.spdx import Kind, kind_of, readable

__all__ = [
    "POLICIES",
    "UNKNOWN_TERMS",
    "Author",
    "Kind",
    "LicencePolicy",
    "ModelTerms",
    "Origin",
    "Resulting",
    "TermsError",
    "TermsTable",
    "Training",
    "kind_of",
    "model_problem",
    "readable",
    "resulting_licence",
    "seed_problem",
]
