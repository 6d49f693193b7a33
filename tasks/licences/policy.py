"""What a release with a licence policy leaves out, and why, in the words that its manifest counts by."""

from __future__ import annotations

from typing import Literal, get_args

from tasks.licences.models import ModelTerms
from tasks.licences.spdx import Kind, kind_of, readable

# any: nothing is left out. permissive: only what may train any model, in any use, for no more than a notice.
LicencePolicy = Literal["any", "permissive"]
POLICIES: tuple[LicencePolicy, ...] = get_args(LicencePolicy)


def seed_problem(licence: str | None) -> str | None:
    """Why the policy `permissive` leaves out what derives from a seed of this licence; None where it does not."""
    kind = kind_of(licence)
    return None if kind <= Kind.ATTRIBUTION else f"seed licence {readable(licence)}: {kind.words}"


def model_problem(model: str, terms: ModelTerms) -> str | None:
    """Why the policy `permissive` leaves out what this model wrote; None where it does not."""
    said = {
        "yes": None,
        "conditions": "output may train other models under conditions",
        "no": "output may not train competing models",
        "unknown": "whether output may train other models is not known",
    }[terms.training]
    return said and f"model {model or 'without a name'}: {said}"
