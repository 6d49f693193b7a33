"""What comes out of a style conversion: a converted triplet, or the reason why the model's answer was rejected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from tasks.sandbox.types import Job, Verdict

Judge = Callable[[Job], Awaitable[Verdict]]

MAX_MESSAGE_CHARS = 500


class Reason(StrEnum):
    """Why a conversion was rejected."""

    TRUNCATED = "truncated"
    """The answer was cut at the token limit or ends inside the reasoning."""

    UNPARSED = "unparsed"
    """The answer is not in the form that was asked for."""

    SYNTAX_ERROR = "syntax_error"
    """The Python in the answer does not parse."""

    MISSING_ENTRY_POINT = "missing_entry_point"
    """A function, class or method that the test uses is not declared."""

    SIGNATURE_DIFFERS = "signature_differs"
    """A declaration has other parameters, defaults, bases or decorators than the solution's."""

    UNKNOWN_DECLARATION = "unknown_declaration"
    """A function, class or method is declared that the solution does not have."""

    CONSTANT_DIFFERS = "constant_differs"
    """A constant has another value than in the solution."""

    UNEXPECTED_CODE = "unexpected_code"
    """There is code besides imports, constants and declarations."""

    LEAKS_SOLUTION = "leaks_solution"
    """A body is not empty, or comments, docstrings or the statement tell the solution's code."""

    MISSING_DOCSTRING = "missing_docstring"
    """A declared entry point is not described."""

    MISSING_EXAMPLE = "missing_example"
    """No example calls a declared entry point."""

    FALSE_EXAMPLE = "false_example"
    """An example is not what the verified solution gives, or cannot be executed."""

    PROMPT_FAILS = "prompt_fails"
    """The prompt with the verified solution's bodies in it does not pass the test."""

    INCOMPLETE_STATEMENT = "incomplete_statement"
    """The statement does not describe input and output."""

    TOO_FEW_CASES = "too_few_cases"
    """There are not enough different inputs."""

    ADAPTER_UNUSED = "adapter_unused"
    """The adapter redefines an entry point of the solution, or its output does not come from one."""

    SOLUTION_PRINTS = "solution_prints"
    """The solution itself prints when it is loaded, which would mix with the answers."""

    PROGRAM_FAILS = "program_fails"
    """The program ends with an error or runs out of time or memory on a case."""

    NONDETERMINISTIC = "nondeterministic"
    """Two runs of the program printed different outputs."""

    EMPTY_OUTPUT = "empty_output"
    """The program prints nothing for a case."""

    OUTPUT_TOO_LONG = "output_too_long"
    """The program prints more for a case than a dataset should hold."""

    TRIVIAL_CASES = "trivial_cases"
    """All cases have the same output, so a constant would pass."""

    UNCONFIRMED = "unconfirmed"
    """The program did not pass its own recorded outputs, or what its cases reach cannot be measured."""

    LOW_COVERAGE = "low_coverage"
    """The cases reach less of the solution than its test does."""

    WEAK_CASES = "weak_cases"
    """The cases let through too many of the faulty solutions that the test rejects."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """`message` says what was found, for the next try and for who asks why: printable, at most 500 characters."""

    reason: Reason
    message: str

    def __post_init__(self) -> None:
        printable = "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in self.message)
        object.__setattr__(self, "message", printable[:MAX_MESSAGE_CHARS])


@dataclass(frozen=True, slots=True)
class Converted:
    """A triplet in its new style, proven by execution.

    Online Judge cases come with what was measured of them: coverage of the verified solution's lines, percent, and
    the share of its mutants that they reject, None where it has none.
    """

    question: str
    solution: str
    test: str
    coverage: float | None = None
    kill_rate: float | None = None


class Rejected(Exception):
    """Ends the checking of an answer; never leaves the engine."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.rejection = Rejection(reason, message)


class JudgeUnavailable(Exception):
    """The sandbox could not judge, so nothing is known about the conversion: it stays retryable."""
