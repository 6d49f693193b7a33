"""Canned conversions to Online Judge, good and bad, each with the triplet that it was made from."""

from __future__ import annotations

import json

from tasks.styles import Reason

GAPS = '''from typing import List


def largest_gap(numbers: List[int]) -> int:
    """Largest difference of neighbours in sorted order."""
    ordered = sorted(numbers)
    best = 0
    for left, right in zip(ordered, ordered[1:]):
        best = max(best, right - left)
    return best


if __name__ == "__main__":
    print("demo", largest_gap([1, 5]))
'''
GAPS_TEST = "def test_gap():\n    assert largest_gap([1, 5, 2]) == 3\n"
QUEUE = """from __future__ import annotations


class Item:
    def __init__(self, value):
        self.value = value


class RecentQueue:
    def __init__(self, size: int):
        self.size = size
        self.items = []

    def push(self, value: int) -> None:
        self.items = [*self.items, Item(value)][-self.size :]

    def total(self) -> int:
        return sum(item.value for item in self.items)
"""
QUEUE_TEST = (
    "def test_total():\n    queue = RecentQueue(1)\n    queue.push(2)\n    assert queue.total() == Item(2).value\n"
)
ROTATE = "def rotate(rows):\n    rows.reverse()\n    rows[:] = [list(row) for row in zip(*rows)]\n"
ROTATE_TEST = "def test_rotate():\n    rows = [[1], [2]]\n    rotate(rows)\n    assert rows == [[2, 1]]\n"
PRINTING = GAPS.replace("    print(", "    pass\n\nprint(")

MARK = '''def mark(points):
    """The mark for 0 to 100 points."""
    if points < 0:
        raise ValueError("negative")
    if points >= 90:
        return "A"
    if points >= 50:
        return "B"
    return "C"
'''
MARK_TEST = """import pytest
from solution import mark


@pytest.mark.parametrize(("points", "expected"), [(90, "A"), (89, "B"), (50, "B"), (49, "C"), (0, "C"), (100, "A")])
def test_mark(points, expected):
    assert mark(points) == expected


def test_negative():
    with pytest.raises(ValueError):
        mark(-1)
"""
# What the light runner of tests does not know, so that each mutant gets a trial of its own.
MARKED = MARK_TEST.replace("\n\n\n", "\n\npytestmark = pytest.mark.filterwarnings('error')\n\n\n", 1)

SCORED = """LIMITS = {"A": 90, "B": 50}


def _limit(mark):
    return LIMITS[mark]


def main():
    print(mark(1))


def mark(points):
    if points < 0:
        return "error"
    return "A" if points >= _limit("A") else "B" if points >= _limit("B") else "C"
"""
SCORED_TEST = "def test_mark():\n    assert [mark(n) for n in (-1, 49, 50, 89, 90)] == ['error', 'C', 'B', 'B', 'A']\n"

COUNTED = "seen = []\n\n\ndef label(n):\n    seen.append(n)\n    return 10 * len(seen) + n\n"
COUNTED_TEST = "def test_label():\n    assert [label(1), label(1)] == [11, 21]\n"
COUNTED_STATEMENT = (
    "Read one number from the input and print its label: for the first number that is ten more than it."
)

# What its test accepts in any order comes in that of the hashes.
SHARED = "def shared(first, second):\n    return set(first) & set(second)\n"
SHARED_TEST = """from solution import shared


def test_shared():
    assert shared("abc", "bcd") == {"b", "c"}


def test_nothing():
    assert shared("ab", "cd") == set()
"""
# It runs; it is too much to be read.
LONG = f"def total(n):\n    return {' + '.join(['n'] * 2000)}\n"
LONG_TEST = "from solution import total\n\n\ndef test_total():\n    assert total(1) == 2000\n"

TRIPLETS = {
    "counted": (COUNTED, COUNTED_TEST),
    "scored": (SCORED, SCORED_TEST),
    "mark": (MARK, MARK_TEST),
    "marked": (MARK, MARKED),
    "gaps": (GAPS, GAPS_TEST),
    "queue": (QUEUE, QUEUE_TEST),
    "rotate": (ROTATE, ROTATE_TEST),
    "printing": (PRINTING, GAPS_TEST),
    "shared": (SHARED, SHARED_TEST),
    "long": (LONG, LONG_TEST),
}

STATEMENT = """# Largest gap

You are given a list of whole numbers. Put them in order and find the largest difference between two neighbours.

## Input format

One line with the numbers, separated by blanks.

## Output format

One number: the largest difference, 0 for fewer than two numbers.
"""
EXAMPLE = """
## Example

Input:
```
1 5 2
```

Output:
```
3
```
"""
ADAPTER = "numbers = list(map(int, input().split()))\nprint(largest_gap(numbers))"
MAIN = """import sys


def main():
    numbers = [int(word) for word in sys.stdin.read().split()]
    print(largest_gap(numbers))


if __name__ == "__main__":
    main()
"""
MARK_STATEMENT = """Marks for an exam. The input is one number, the points, which may be negative by mistake. Print A
from 90 points on, B from 50 points on and C for fewer, but the word `error` for a negative number.
"""
MARK_ADAPTER = """try:
    print(mark(int(input())))
except ValueError:
    print("error")
"""
SCORED_ADAPTER = "import sys\n\npoints = int(sys.stdin.read())\nprint(mark(points))\n"
MARK_CASES = ["90\n", "89\n", "50\n", "49\n", "0\n", "-1\n"]
CASES = ["1 5 2\n", "7\n", "1 2 3 4\n", "10 -10\n", "3 3 3\n"]
QUEUE_STATEMENT = """Keep the newest numbers of a stream. The first line of the input holds the size of the queue, each
further line `push x` or `total`. For every `total` print the sum of the numbers that are still in the queue.
"""
QUEUE_ADAPTER = """import sys

queue = RecentQueue(int(sys.stdin.readline()))
for line in sys.stdin:
    word, *rest = line.split()
    if word == "push":
        queue.push(int(rest[0]))
    else:
        print(queue.total())
"""
QUEUE_CASES = ["2\npush 1\ntotal\n", "1\npush 1\npush 2\ntotal\n", "3\ntotal\npush 4\ntotal\n"]
ROTATE_STATEMENT = """Rotate a matrix by a quarter turn to the right. Read the rows from the input, one a line, with
blanks between the numbers, and print the rotated matrix in the same way.
"""
ROTATE_ADAPTER = """import sys

matrix = [line.split() for line in sys.stdin if line.strip()]
rotate(matrix)
for row in matrix:
    print(*row)
"""
ROTATE_CASES = ["1 2\n3 4\n", "1\n2\n", "5\n"]


def answer(statement: str = STATEMENT, program: str = ADAPTER, cases: object = CASES) -> str:
    listed = cases if isinstance(cases, str) else json.dumps(cases, indent=1)
    return (
        f"<|Statement Begin|>\n{statement}\n<|Statement End|>\n\n"
        f"<|Program Begin|>\n```python\n{program}\n```\n<|Program End|>\n\n"
        f"<|Cases Begin|>\n{listed}\n<|Cases End|>"
    )


def stated(given: str, claimed: str) -> str:
    return f"{STATEMENT}\n## Example\n\nInput:\n```\n{given}\n```\nOutput:\n```\n{claimed}\n```\n"


GOOD = {
    "plain": ("gaps", answer()),
    "with_an_example": ("gaps", answer(STATEMENT + EXAMPLE)),
    "two_examples": ("gaps", answer(STATEMENT + EXAMPLE + EXAMPLE.replace("1 5 2", "4 4").replace("3", "0"))),
    "example_inline": ("gaps", answer(f"{STATEMENT}\n### Example 1\n\n**Input:** 1 5 2\n**Output:** 3\n")),
    "example_in_one_block": ("gaps", answer(f"{STATEMENT}\nExample:\n```\nInput: 1 5 2\nOutput: 3\n```\n")),
    "sample_headings": (
        "gaps",
        answer(f"{STATEMENT}\n### Sample Input\n\n```text\n1 5 2\n```\n\n### Sample Output\n\n```text\n3\n```\n"),
    ),
    "format_told_inline": (
        "gaps",
        answer(
            "Find the largest gap between neighbours of the sorted numbers.\n\n**Input:** one line with the "
            "numbers.\n\n**Output:** one number.\n"
        ),
    ),
    "main_guard": ("gaps", answer(program=MAIN)),
    "imports_the_solution": ("gaps", answer(program=f"from solution import largest_gap\n{ADAPTER}")),
    "special_case_of_its_own": (
        "gaps",
        answer(program="line = input().split()\nprint(0 if len(line) < 2 else largest_gap([*map(int, line)]))"),
    ),
    "future_import": (
        "queue",
        answer(QUEUE_STATEMENT, f"from __future__ import annotations\n{QUEUE_ADAPTER}", QUEUE_CASES),
    ),
    "class": ("queue", answer(QUEUE_STATEMENT, QUEUE_ADAPTER, QUEUE_CASES)),
    "works_in_place": ("rotate", answer(ROTATE_STATEMENT, ROTATE_ADAPTER, ROTATE_CASES)),
    "cases_fenced": ("gaps", answer(cases=f"```json\n{json.dumps(CASES)}\n```")),
    "cases_with_raw_line_breaks": ("gaps", answer(cases=json.dumps(CASES).replace("\\n", "\n"))),
    "cases_as_python": ("gaps", answer(cases=repr(CASES))),
    "cases_repeated": ("gaps", answer(cases=CASES + CASES)),
    "yes_and_no": (
        "gaps",
        answer(
            "Read numbers from the input. Print YES if some gap between neighbours is larger than two, else NO.",
            ADAPTER.replace("largest_gap(numbers)", "'YES' if (largest_gap(numbers) or 0) > 2 else 'NO'"),
        ),
    ),
    "names_of_the_main_part_reused": (
        "scored",
        answer(MARK_STATEMENT, f"def main():\n    pass\n\n\n{SCORED_ADAPTER}", MARK_CASES),
    ),
    "keeps_state_within_one_run": (
        "counted",
        answer(COUNTED_STATEMENT, "print(label(int(input())))", ["1\n", "2\n", "0\n", "-3\n"]),
    ),
    "every_line_and_edge": ("mark", answer(MARK_STATEMENT, MARK_ADAPTER, MARK_CASES)),
    "test_of_a_kind_that_needs_trials": ("marked", answer(MARK_STATEMENT, MARK_ADAPTER, MARK_CASES)),
    "reads_and_writes_descriptors": (
        "mark",
        answer(
            MARK_STATEMENT,
            "import os, sys\n\ntry:\n    answer = mark(int(os.read(0, 100)))\n"
            "except ValueError:\n    answer = 'error'\nos.write(1, answer.encode() + b'\\n')\nsys.exit(0)",
            MARK_CASES,
        ),
    ),
    "signature_in_the_statement": ("gaps", answer(f"{STATEMENT}\nThink of `largest_gap(numbers)`.\n")),
}

BODY = """    ordered = sorted(numbers)
    best = 0
    for left, right in zip(ordered, ordered[1:]):
        best = max(best, right - left)
    return best"""
OWN_WORK = "s = sorted(map(int, input().split()))\n{}\nprint(max((b - a for a, b in zip(s, s[1:])), default=0))"

BAD = {
    "statement_with_the_solution": ("gaps", answer(f"{STATEMENT}\n```python\n{GAPS}\n```\n"), Reason.LEAKS_SOLUTION),
    "statement_with_the_body": ("gaps", answer(f"{STATEMENT}\nHint:\n{BODY}\n"), Reason.LEAKS_SOLUTION),
    "statement_with_the_body_renamed": (
        "gaps",
        answer(f"{STATEMENT}\nHint:\n{BODY.replace('ordered', 'xs').replace('best', 'most')}\n"),
        Reason.LEAKS_SOLUTION,
    ),
    "statement_defines_the_function": (
        "gaps",
        answer(f"{STATEMENT}\n```python\ndef largest_gap(numbers):\n    return 0\n```\n"),
        Reason.LEAKS_SOLUTION,
    ),
    "statement_without_formats": ("gaps", answer("Find the largest gap."), Reason.INCOMPLETE_STATEMENT),
    "false_example": ("gaps", answer(stated("1 5 2", "4")), Reason.FALSE_EXAMPLE),
    "second_example_false": (
        "gaps",
        answer(STATEMENT + EXAMPLE + EXAMPLE.replace("1 5 2", "4 4")),
        Reason.FALSE_EXAMPLE,
    ),
    "false_example_inline": (
        "gaps",
        answer(f"{STATEMENT}\n### Example 1\n\n**Input:** 1 5 2\n**Output:** 4\n"),
        Reason.FALSE_EXAMPLE,
    ),
    "false_example_in_one_block": (
        "gaps",
        answer(f"{STATEMENT}\n```\nInput:\n1 5 2\nOutput:\n4\n```\n"),
        Reason.FALSE_EXAMPLE,
    ),
    "false_sample": (
        "gaps",
        answer(f"{STATEMENT}\n**Sample Input 1**\n\n```\n1 5 2\n```\n\n**Sample Output 1**\n\n```\n4\n```\n"),
        Reason.FALSE_EXAMPLE,
    ),
    "example_that_fails": ("gaps", answer(stated("one two", "1")), Reason.PROGRAM_FAILS),
    "adapter_redefines": (
        "gaps",
        answer(program=f"def largest_gap(n):\n    return 1\n\n{ADAPTER}"),
        Reason.ADAPTER_UNUSED,
    ),
    "adapter_redefines_a_helper": (
        "scored",
        answer(MARK_STATEMENT, f"def _limit(mark):\n    return 0\n\n\n{SCORED_ADAPTER}", MARK_CASES),
        Reason.ADAPTER_UNUSED,
    ),
    "adapter_changes_a_constant": (
        "scored",
        answer(MARK_STATEMENT, f"LIMITS = {{'A': 1, 'B': 0}}\n{SCORED_ADAPTER}", MARK_CASES),
        Reason.ADAPTER_UNUSED,
    ),
    "adapter_patches_a_method": (
        "queue",
        answer(QUEUE_STATEMENT, f"Item.value = 1\n{QUEUE_ADAPTER}", QUEUE_CASES),
        Reason.ADAPTER_UNUSED,
    ),
    "adapter_patches_by_name": (
        "gaps",
        answer(program=OWN_WORK.format("globals()['largest' + '_gap'] = None")),
        Reason.ADAPTER_UNUSED,
    ),
    "adapter_multiplies_by_one": (
        "mark",
        answer(
            MARK_STATEMENT,
            "points = int(input())\ntry:\n    given = mark(abs(points))\n"
            "    print('error' if points < 0 else given and 'CBA'[(points >= 50) + (points >= 90)])\n"
            "except ValueError:\n    print('error')",
            MARK_CASES,
        ),
        Reason.LOW_COVERAGE,
    ),
    "adapter_knows_the_answers": (
        "mark",
        answer(
            MARK_STATEMENT,
            "points = int(input())\ntry:\n    given = mark(points)\n"
            "    print(given and {90: 'A', 89: 'B', 50: 'B', 49: 'C', 0: 'C'}[points])\n"
            "except ValueError:\n    print('error')",
            MARK_CASES,
        ),
        Reason.WEAK_CASES,
    ),
    "adapter_hides_it_in_a_variable": (
        "gaps",
        answer(program=OWN_WORK.format("largest_gap = 1")),
        Reason.ADAPTER_UNUSED,
    ),
    "adapter_does_it_alone": ("gaps", answer(program=OWN_WORK.format("")), Reason.ADAPTER_UNUSED),
    "adapter_only_names_it": ("gaps", answer(program=OWN_WORK.format("largest_gap")), Reason.ADAPTER_UNUSED),
    "adapter_throws_the_result_away": (
        "gaps",
        answer(program=OWN_WORK.format("largest_gap(s)")),
        Reason.ADAPTER_UNUSED,
    ),
    "adapter_catches_and_does_it_alone": (
        "gaps",
        answer(program=OWN_WORK.format("if len(s) == 2: largest_gap(s)")),
        Reason.ADAPTER_UNUSED,
    ),
    "adapter_uses_only_the_data_class": (
        "queue",
        answer(
            QUEUE_STATEMENT,
            "items = [Item(int(w)) for w in input().split()]\nprint(sum(i.value for i in items))",
            ["1 2\n", "3\n", "4\n"],
        ),
        Reason.ADAPTER_UNUSED,
    ),
    "adapter_fails": ("gaps", answer(program="print(largest_gap(int(input())))"), Reason.PROGRAM_FAILS),
    "adapter_fails_on_one_case": ("gaps", answer(cases=[*CASES, "x\n"]), Reason.PROGRAM_FAILS),
    "adapter_reads_too_much": ("gaps", answer(program=f"input()\n{ADAPTER}"), Reason.PROGRAM_FAILS),
    "adapter_prints_nothing": (
        "gaps",
        answer(program="largest_gap([*map(int, input().split())])"),
        Reason.EMPTY_OUTPUT,
    ),
    "adapter_prints_for_some": (
        "gaps",
        answer(program="gap = largest_gap([*map(int, input().split())])\nif gap: print(gap)"),
        Reason.EMPTY_OUTPUT,
    ),
    "adapter_is_random": (
        "gaps",
        answer(program=f"import random\n{ADAPTER[:-1]}, random.random())"),
        Reason.NONDETERMINISTIC,
    ),
    "order_of_hashes": (
        "shared",
        answer(
            "# Shared words\n\nFind them.\n\n## Input format\n\nTwo lines of words.\n\n"
            "## Output format\n\nThe words that are in both.\n",
            "print(*shared(input().split(), input().split()))",
            [f"{words}\n{words} x\n" for words in ("pear kiwi apple fig", "a b c d e", "one two three four", "u v w")],
        ),
        Reason.NONDETERMINISTIC,
    ),
    "solution_that_cannot_be_read": (
        "long", answer(program="print(total(int(input())))", cases=["1\n", "2\n", "3\n", "4\n"]), Reason.SYNTAX_ERROR
    ),
    "nul_in_the_output": (
        "gaps",
        answer(program=f"{ADAPTER[:-1]}, end=chr(0))"),
        Reason.UNPARSED,
    ),
    "all_outputs_equal": ("gaps", answer(cases=["1\n", "2\n", "3\n", "4\n"]), Reason.TRIVIAL_CASES),
    "errors_never_tried": ("mark", answer(MARK_STATEMENT, MARK_ADAPTER, MARK_CASES[:-1]), Reason.LOW_COVERAGE),
    "one_branch_never_tried": (
        "mark",
        answer(MARK_STATEMENT, MARK_ADAPTER, ["95\n", "60\n", "-1\n", "70\n"]),
        Reason.LOW_COVERAGE,
    ),
    "edges_never_tried": (
        "mark",
        answer(MARK_STATEMENT, MARK_ADAPTER, ["95\n", "60\n", "10\n", "-5\n"]),
        Reason.WEAK_CASES,
    ),
    "adapter_tells_only_a_part": (
        "mark",
        answer(
            MARK_STATEMENT,
            MARK_ADAPTER.replace("print(mark(int(input())))", "print('ABC' if mark(int(input())) else '')"),
            MARK_CASES,
        ),
        Reason.WEAK_CASES,
    ),
    "two_cases": ("gaps", answer(cases=CASES[:2]), Reason.TOO_FEW_CASES),
    "one_case_thrice": ("gaps", answer(cases=[CASES[0]] * 3), Reason.TOO_FEW_CASES),
    "huge_cases": ("gaps", answer(cases=[*CASES[:2], "1 " * 60_000]), Reason.TOO_FEW_CASES),
    "long_output": ("gaps", answer(program=f"{ADAPTER[:-1]}, 'x' * 60_000)"), Reason.OUTPUT_TOO_LONG),
    "solution_prints": ("printing", answer(), Reason.SOLUTION_PRINTS),
    "syntax": ("gaps", answer(program="print("), Reason.SYNTAX_ERROR),
    "no_program": ("gaps", answer(program=""), Reason.UNPARSED),
    "no_statement": ("gaps", answer(statement=""), Reason.UNPARSED),
    "cases_are_no_list": ("gaps", answer(cases={"stdin": CASES}), Reason.UNPARSED),
    "cases_are_no_strings": ("gaps", answer(cases=[1, 2, 3]), Reason.UNPARSED),
    "cases_are_expressions": ("gaps", answer(cases='["1 " * 3, "2", "3"]'), Reason.UNPARSED),
    "cases_with_nul": ("gaps", answer(cases=["1\0", "2", "3"]), Reason.UNPARSED),
    "too_many_examples": ("gaps", answer(STATEMENT + EXAMPLE * 11), Reason.UNPARSED),
    "cases_bomb": ("gaps", answer(cases="[" * 100_000), Reason.UNPARSED),
    "end_marker_missing": ("gaps", answer().replace("<|Cases End|>", ""), Reason.UNPARSED),
    "program_missing": ("gaps", answer().replace("Program", "Code"), Reason.UNPARSED),
    "still_thinking": ("gaps", f"<think>{answer()}", Reason.TRUNCATED),
    "empty": ("gaps", "", Reason.UNPARSED),
}
