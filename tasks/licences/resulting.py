"""Under what a release as a whole may be given away, and why: the strictest that any of its rows derives from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tasks.licences.hub import hub_identifier
from tasks.licences.models import TermsTable
from tasks.licences.spdx import Kind, kind_of, kinds_of, readable

# For a compilation whose sources ask for different notices: it asks for attribution too, and for nothing else.
COMPILATION = "CC-BY-4.0"
_UNKNOWN = "LicenseRef-Unknown-Sources"
_EXCLUSIVE = (Kind.COPYLEFT, Kind.NON_COMMERCIAL)  # who shares alike may forbid nothing more
_CC_NC = re.compile(r"cc-by-nc-(sa-)?[0-9.]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class Author:
    """A model that wrote a part of a row: question, solution, conversion or response."""

    part: str
    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class Origin:
    """What `rows` rows derive from. A seed without a licence counts as None; no seed at all as no licence."""

    rows: int
    seed_licences: tuple[str | None, ...]
    authors: tuple[Author, ...]


@dataclass(frozen=True, slots=True)
class Resulting:
    """The licence of a release. `licence` is an SPDX expression; `hub` the value of the Hub's field `license`;
    `reasons` are sentences, the weightiest first."""

    licence: str
    hub: str
    reasons: tuple[str, ...]


def resulting_licence(origins: Iterable[Origin], terms: TermsTable) -> Resulting:
    """The licence of a dataset of these rows, with the reasons in words.

    Seeds: of one licence it is that one, of several that ask for no more than notices COMPILATION; else the most
    demanding, which the others must not contradict: two copyleft licences, copyleft with non-commercial terms (those
    of a model too), terms against derivatives and terms that are not known have no common answer, and
    LicenseRef-Unknown-Sources says so. Terms of models that are not a plain yes are added with AND.
    """
    seeds: Counter[str | None] = Counter()
    authors: Counter[Author] = Counter()
    for origin in origins:
        for licence in set(origin.seed_licences):
            seeds[licence] += origin.rows
        for author in set(origin.authors):
            authors[author] += origin.rows
    licence, reason = _of_seeds(seeds)
    added, reasons = _of_models(authors, terms)
    shared = [readable(seed) for seed in seeds if Kind.COPYLEFT in kinds_of(seed) or "-nc-sa-" in (seed or "").lower()]
    unpaid = [term for term in added if kind_of(term) is Kind.NON_COMMERCIAL]
    if shared and unpaid and licence != _UNKNOWN:
        licence = _UNKNOWN
        kept = sorted(shared)[0]
        reason = f"Seeds are under {kept}, which has to be kept, and a model's terms, {unpaid[0]}, forbid that."
    expression = " AND ".join([f"({licence})" if added and " OR " in licence else licence, *added])
    return Resulting(expression, hub_identifier(expression), (reason, *reasons))


def _of_seeds(seeds: Counter[str | None]) -> tuple[str, str]:
    """The licence that the seeds leave, and why."""
    if not seeds:
        return COMPILATION, f"No row was made from a seed, so the compiler may choose: {COMPILATION}."
    strictest = max(kind_of(licence) for licence in seeds)
    deciding = sorted({readable(licence) for licence in seeds if kind_of(licence) == strictest})
    rows = sum(count for licence, count in seeds.items() if kind_of(licence) == strictest)
    named = f"{', '.join(deciding)} (in {rows} rows)" if rows else ", ".join(deciding)
    if strictest <= Kind.ATTRIBUTION:
        if len(seeds) == 1:
            return deciding[0], f"All seeds are under {named}, which asks for its notice at most."
        return COMPILATION, (
            f"The seeds' licences ask for notices at most, {named} among them; {COMPILATION} asks for the same."
        )
    kinds = frozenset[Kind]().union(*(kinds_of(licence) for licence in seeds))
    together = len(deciding) == 1 or (strictest is Kind.NON_COMMERCIAL and all(map(_CC_NC.fullmatch, deciding)))
    if strictest in (Kind.COPYLEFT, Kind.NON_COMMERCIAL) and together and not {*_EXCLUSIVE} <= kinds:
        # Versions and share-alike variants of one family: the stricter and newer one covers the others.
        chosen = max(deciding, key=lambda name: ("-sa-" in name.lower(), name.lower()))
        return chosen, f"The strictest of the seeds' licences is {named}: {strictest.words}."
    why = {
        Kind.COPYLEFT: "each asks for itself, so that no one licence serves all",
        Kind.NON_COMMERCIAL: "others do not go with it, so that no one licence serves all",
        Kind.NO_DERIVATIVES: "questions made from such seeds may not be passed on without leave",
        Kind.UNKNOWN: "what they allow is not known, so nothing can be promised",
    }[strictest]
    return _UNKNOWN, f"Seeds are under {named}: {why}."


def _of_models(authors: Counter[Author], terms: TermsTable) -> tuple[list[str], list[str]]:
    """Terms to add to the licence, and a sentence for each."""
    added: set[str] = set()
    reasons: list[str] = []
    wrote: dict[tuple[str, str], tuple[set[str], int]] = {}
    for author, rows in authors.items():
        parts, most = wrote.get((author.provider, author.model), (set(), 0))
        wrote[author.provider, author.model] = (parts | {author.part}, max(most, rows))
    for (provider, model), (parts, rows) in sorted(wrote.items()):
        found = terms.of(provider, model)
        share = f"{', '.join(sorted(parts))} of {'at least ' if len(parts) > 1 else ''}{rows} rows"
        if found.training == "yes":
            reasons.append(f"{model} wrote {share}: its output may train other models ({found.licence}).")
            continue
        added.add(found.licence)
        note = found.note or "Whether its output may train other models is not known."
        source = f" ({found.source})" if found.source else ""
        reasons.append(f"{model} wrote {share}: {note[0].lower()}{note[1:].rstrip('.')}{source}.")
    return sorted(added), reasons
