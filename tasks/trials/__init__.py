"""Trials: from a model's answer to solution and test, entry points and labels. Pure functions, no I/O."""

from tasks.trials.answers import TRUNCATED_REASONS, SolveAnswer, Unparsed, extract_response_code, parse_solve
from tasks.trials.entry_points import EntryPoint, entry_point_names, test_info
from tasks.trials.labels import (
    Difficulty,
    Label,
    Select,
    TrialOutcome,
    choose_trial,
    difficulty,
    label,
    pass_at_k,
    wilson,
)
from tasks.trials.markup import Block, Section, fenced_blocks, sections, strip_reasoning, without_fences
from tasks.trials.naming import align_entry_points, repair_entry_point
from tasks.trials.policy import AttemptPolicy, Progress, certainty
from tasks.trials.source import (
    BUILTINS,
    Definition,
    Function,
    bare_arguments,
    bound_names,
    definitions,
    is_main_guard,
    parse_python,
    public_definitions,
    storable,
    top_level,
)

__all__ = [
    "BUILTINS",
    "TRUNCATED_REASONS",
    "AttemptPolicy",
    "Block",
    "Definition",
    "Difficulty",
    "EntryPoint",
    "Function",
    "Label",
    "Progress",
    "Section",
    "Select",
    "SolveAnswer",
    "TrialOutcome",
    "Unparsed",
    "align_entry_points",
    "bare_arguments",
    "bound_names",
    "certainty",
    "choose_trial",
    "definitions",
    "difficulty",
    "entry_point_names",
    "extract_response_code",
    "fenced_blocks",
    "is_main_guard",
    "label",
    "parse_python",
    "parse_solve",
    "pass_at_k",
    "public_definitions",
    "repair_entry_point",
    "sections",
    "storable",
    "strip_reasoning",
    "test_info",
    "top_level",
    "wilson",
    "without_fences",
]
