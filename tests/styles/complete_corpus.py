"""Canned conversions to Complete, good and bad, each with the triplet that it was made from."""

from __future__ import annotations

from tasks.styles import Reason

COMPRESS = '''from typing import List, Tuple

LIMIT = 9


def compress(text: str, limit: int = LIMIT) -> List[Tuple[str, int]]:
    """Collects runs of equal characters."""
    runs: List[Tuple[str, int]] = []
    for char in text:
        if runs and runs[-1][0] == char and runs[-1][1] < limit:
            runs[-1] = (char, runs[-1][1] + 1)
        else:
            runs.append((char, 1))
    return runs


def expand(runs):
    return "".join(char * count for char, count in runs)


if __name__ == "__main__":
    print(compress("aab"))
'''
COMPRESS_TEST = """from solution import compress, expand


def test_runs():
    assert compress("aab") == [("a", 2), ("b", 1)]
    assert compress("a" * 10) == [("a", 9), ("a", 1)]


def test_round_trip():
    assert expand(compress("abba")) == "abba"
"""
COUNTER = '''from __future__ import annotations


class Node:
    def __init__(self, value, next=None):
        self.value = value
        self.next = next


class MinStack:
    """A stack that knows its minimum."""

    MAX = 100

    def __init__(self):
        self._items: list[tuple[int, int]] = []

    def push(self, value: int) -> None:
        smallest = min(value, self._items[-1][1]) if self._items else value
        self._items.append((value, smallest))

    def pop(self) -> int:
        return self._items.pop()[0]

    def smallest(self) -> int:
        return self._items[-1][1]

    @staticmethod
    def name() -> str:
        return "MinStack"
'''
COUNTER_TEST = """from solution import MinStack


def test_smallest():
    stack = MinStack()
    stack.push(2)
    stack.push(1)
    assert stack.smallest() == 1
    assert stack.pop() == 1
    assert stack.smallest() == 2
"""
WORDS = 'def words(text):\n    return " ".join(set(text.split()))\n'
WORDS_TEST = "def test_words():\n    assert sorted(words('b a b').split()) == ['a', 'b']\n"
TINY = "def is_even(n):\n    return n % 2 == 0\n"
TINY_TEST = "def test_is_even():\n    assert is_even(2) and not is_even(3)\n"
MOD = "MOD = 10**9 + 7\n\n\ndef power(a, b, /, *, mod=MOD):\n    return pow(a, b, mod)\n"
MOD_TEST = "def test_power():\n    assert power(2, 3) == 8\n"
ASYNC = "async def later(x):\n    return [x, x]\n"
ASYNC_TEST = "import asyncio\n\n\ndef test_later():\n    assert asyncio.run(later(1)) == [1, 1]\n"
DATACLASS = (
    "from dataclasses import dataclass\n\n\n@dataclass\nclass Point:\n    x: int\n    y: int = 0\n\n"
    "    def norm(self):\n        return abs(self.x) + abs(self.y)\n"
)
DATACLASS_TEST = "def test_norm():\n    assert Point(-1, 2).norm() == 3\n"

BAG = """import functools


def _squared(values):
    return [value * value for value in values]


class Bag(list):
    @functools.cached_property
    def weight(self):
        return sum(_squared(self))
"""
BAG_TEST = "def test_weight():\n    assert Bag([1, 2]).weight == 5\n"

TRIPLETS = {
    "bag": (BAG, BAG_TEST),
    "turn": (
        "def turn(row):\n    row.reverse()\n",
        "def test_turn():\n    row = [1, 2]\n    turn(row)\n    assert row == [2, 1]\n",
    ),
    "compress": (COMPRESS, COMPRESS_TEST),
    "stack": (COUNTER, COUNTER_TEST),
    "even": (TINY, TINY_TEST),
    "power": (MOD, MOD_TEST),
    "later": (ASYNC, ASYNC_TEST),
    "point": (DATACLASS, DATACLASS_TEST),
    "words": (WORDS, WORDS_TEST),
}
RUNS = "Collect the runs of equal characters in a text."
BACK = "Turn runs back into the text that they came from."
RUNS_SHOWN = "\n\n    >>> compress('aab')\n    [('a', 2), ('b', 1)]"
BACK_SHOWN = "\n\n    >>> expand([('a', 2)])\n    'aa'"
EVEN_SHOWN = "\n\n    >>> is_even(2)\n    True"


def compress_prompt(
    runs: str = RUNS, back: str = BACK, head: str = "from typing import List, Tuple\n\nLIMIT = 9\n", shown: bool = True
) -> str:
    """Honest but for what is given; examples are added where a text has none."""
    if shown:
        back += "" if "expand(" in back + runs else BACK_SHOWN
        runs += "" if "compress(" in runs else RUNS_SHOWN
    return (
        f"{head}\n\ndef compress(text: str, limit: int = LIMIT) -> List[Tuple[str, int]]:\n"
        f'    """{runs}\n    """\n\n\n'
        f'def expand(runs):\n    """{back}\n    """\n'
    )


def even_prompt(doc: str, rest: str = "", shown: bool = True) -> str:
    doc += "" if not shown or ">>>" in doc else EVEN_SHOWN
    return f'def is_even(n):\n    """{doc}\n    """\n{rest}'


EXAMPLES = """Collect the runs of equal characters in a text.

    >>> compress("aab")
    [('a', 2), ('b', 1)]
    >>> expand(compress("abba"))
    'abba'"""
STACK_DOC = '''class MinStack:
    """A stack of numbers that can tell its smallest.

    >>> stack = MinStack()
    >>> stack.push(2)
    >>> stack.push(1)
    >>> stack.smallest()
    1
    """
'''
STACK_METHODS = '''class MinStack:
    """A stack of numbers that can tell its smallest.

    >>> MinStack.name()
    'MinStack'
    """

    MAX = 100

    def __init__(self):
        """Start empty."""

    def push(self, value):
        """Put a number on top."""
        ...

    def pop(self):
        """Take the number on top away and return it."""
        raise NotImplementedError

    def smallest(self):
        """The smallest number."""
        raise NotImplementedError("to be written")
'''
BAG_PROMPT = '''import functools


class Bag(list):
    """Numbers, repetitions among them.

    >>> Bag([3, 1]).weight
    10
    """

    @functools.cached_property
    def weight(self):
        """The sum of the squares."""
'''

GOOD = {
    "plain": ("compress", compress_prompt()),
    "true_examples": ("compress", compress_prompt(EXAMPLES)),
    "true_stated_examples": ("compress", compress_prompt(back="Example: expand([('a', 2)]) -> 'aa'.")),
    "stated_with_backticks": ("even", even_prompt("Whether a number is even.\n\n    `is_even(2)` => `True`")),
    "stated_format_that_is_no_example": ("even", even_prompt("Whether it is even: is_even(n) -> bool")),
    "imports_forgotten": ("compress", compress_prompt(head="LIMIT = 9\n")),
    "other_annotations": ("compress", compress_prompt().replace("List[Tuple[str, int]]", "'list[tuple[str, int]]'")),
    "typing_not_in_the_solution": (
        "even",
        even_prompt("Whether a number is even.").replace("(n)", "(n: Optional[int])"),
    ),
    "pass_in_the_bodies": ("even", even_prompt("Whether a number is even.", "    pass\n")),
    "comment_in_the_body": ("even", even_prompt("Whether a number is even.", "    # Your code here\n    ...\n")),
    "another_import": ("even", f"import math\n\n\n{even_prompt('Whether a number is even.')}"),
    "small_constant_of_its_own": ("even", f"BASE = 2\n\n\n{even_prompt('Whether a number is even.')}"),
    "type_variable": (
        "even",
        f"from typing import TypeVar\n\nT = TypeVar('T')\n\n\n{even_prompt('Whether it is even.')}",
    ),
    "module_docstring": ("even", f'"""Numbers."""\n\n\n{even_prompt("Whether a number is even.")}'),
    "class_with_only_a_docstring": ("stack", STACK_DOC),
    "class_with_empty_methods": ("stack", STACK_METHODS),
    "only_stated_examples": (
        "compress",
        compress_prompt("Runs: compress('a') -> [('a', 1)].", "Back: expand([('a', 2)]) -> 'aa'.", shown=False),
    ),
    "static_method": ("stack", f'{STACK_METHODS}\n    @staticmethod\n    def name():\n        """Its name."""\n'),
    "future_import": ("stack", f"from __future__ import annotations\n\n\n{STACK_DOC}"),
    "keyword_only": (
        "power",
        'MOD = 10**9 + 7\n\n\ndef power(a, b, /, *, mod=MOD):\n    """Power modulo.\n\n'
        '    >>> power(2, 5)\n    32\n    """\n',
    ),
    "async": (
        "later",
        'async def later(x):\n    """The value twice, later.\n\n    >>> import asyncio\n'
        '    >>> asyncio.run(later(3))\n    [3, 3]\n    """\n',
    ),
    "dataclass": (
        "point",
        'from dataclasses import dataclass\n\n\n@dataclass\nclass Point:\n    """A point in the plane."""\n\n'
        '    x: int\n    y: int = 0\n\n    def norm(self):\n        """Sum of distances.\n\n'
        '        >>> Point(1).norm()\n        1\n        """\n',
    ),
    "missing_blank_behind_the_doctest_prompt": (
        "even",
        even_prompt("Whether it is even.\n\n    >>>is_even(3)\n    False"),
    ),
    "ellipsis_directive": (
        "compress",
        compress_prompt(
            "The runs.\n\n    >>> compress('ab' * 9)  # doctest: +ELLIPSIS\n    [('a', 1), ..., ('b', 1)]"
        ),
    ),
    "expected_exception": (
        "compress",
        compress_prompt(
            "Runs.\n\n    >>> compress(1)\n    Traceback (most recent call last):\n    ...\n    "
            "TypeError: 'int' object is not iterable"
        ),
    ),
    "input_and_output": (
        "even",
        even_prompt(f"Even?{EVEN_SHOWN}\n\n    Example 1:\n    Input: n = 3\n    Output: False"),
    ),
    "input_and_output_of_what_works_in_place": (
        "turn",
        'def turn(row):\n    """Turn the row around.\n\n    Example:\n    Input: row = [1, 2]\n    Output: [2, 1]\n\n'
        '    >>> row = [3, 4]\n    >>> turn(row)\n    >>> row\n    [4, 3]\n    """\n',
    ),
    "base_and_helper": ("bag", BAG_PROMPT),
    "private_helper_not_declared": ("even", even_prompt("Return True for an even number and False for an odd one.")),
}

BODY = """    runs = []
    for char in text:
        if runs and runs[-1][0] == char and runs[-1][1] < limit:
            runs[-1] = (char, runs[-1][1] + 1)
        else:
            runs.append((char, 1))
    return runs"""
RENAMED = BODY.replace("runs", "groups").replace("char", "c").replace("limit", "most")
COMMENTED = "\n".join(f"    # {line.strip()}" for line in BODY.splitlines())

BAD = {
    "whole_solution": ("compress", COMPRESS, Reason.LEAKS_SOLUTION),
    "body_kept": ("even", even_prompt("Whether a number is even.", "    return n % 2 == 0\n"), Reason.LEAKS_SOLUTION),
    "other_body": ("even", even_prompt("Whether a number is even.", "    return not n & 1\n"), Reason.LEAKS_SOLUTION),
    "return_none": ("even", even_prompt("Whether a number is even.", "    return None\n"), Reason.LEAKS_SOLUTION),
    "nested_helper": ("even", even_prompt("Even?", "    def half(m):\n        pass\n"), Reason.LEAKS_SOLUTION),
    "one_method_kept": (
        "stack",
        STACK_METHODS.replace('"""Start empty."""', "self._items = []"),
        Reason.LEAKS_SOLUTION,
    ),
    "body_in_the_docstring": ("compress", compress_prompt(f"Do this:\n{BODY}"), Reason.LEAKS_SOLUTION),
    "body_in_comments": (
        "compress",
        compress_prompt(shown=False).replace('in a text.\n    """', f'in a text.\n    """\n{COMMENTED}'),
        Reason.LEAKS_SOLUTION,
    ),
    "body_in_a_doctest": (
        "even",
        even_prompt("Even?\n\n    >>> def is_even(n):\n    ...     return n % 2 == 0"),
        Reason.LEAKS_SOLUTION,
    ),
    "body_renamed": ("compress", compress_prompt(f"Do this:\n{RENAMED}"), Reason.LEAKS_SOLUTION),
    "body_in_other_quotes": (
        "compress",
        compress_prompt(back="return ''.join(char * count for char, count in runs) and\n" + BODY),
        Reason.LEAKS_SOLUTION,
    ),
    "body_in_a_constant": (
        "even",
        f"HINT = 'return n % 2 == 0'\n\n\n{even_prompt('Whether it is even.')}",
        Reason.LEAKS_SOLUTION,
    ),
    "body_in_a_second_string": (
        "even",
        even_prompt("Whether it is even.", "    'return n % 2 == 0'\n"),
        Reason.LEAKS_SOLUTION,
    ),
    "body_in_escapes": (
        "even",
        even_prompt("Even?\n\n    \\x72eturn n \\x25 2 \\x3d\\x3d 0"),
        Reason.LEAKS_SOLUTION,
    ),
    "body_in_pieces": (
        "even",
        f"HINT = 'return n' ' % 2' ' == 0'\n\n\n{even_prompt('Is it even?')}",
        Reason.LEAKS_SOLUTION,
    ),
    "body_in_a_default": (
        "even",
        even_prompt("Even?").replace("(n)", "(n, f=lambda n: n % 2 == 0)"),
        Reason.SIGNATURE_DIFFERS,
    ),
    "body_in_an_annotation": (
        "even",
        even_prompt("Is it even?").replace("(n)", "(n: (lambda n: not n & 1))"),
        Reason.UNEXPECTED_CODE,
    ),
    "body_as_lambda": ("even", "is_even = lambda n: not n & 1\n", Reason.UNEXPECTED_CODE),
    "table_of_answers": (
        "even",
        f"ANSWERS = {[n % 2 == 0 for n in range(60)]}\n\n\n{even_prompt('Whether it is even.')}",
        Reason.UNEXPECTED_CODE,
    ),
    "demo_below": (
        "even",
        even_prompt("Whether a number is even.", "\n\nprint(is_even(2))\n"),
        Reason.UNEXPECTED_CODE,
    ),
    "main_guard": (
        "even",
        even_prompt("Even or not.", "\n\nif __name__ == '__main__':\n    is_even(2)\n"),
        Reason.UNEXPECTED_CODE,
    ),
    "imports_the_solution": (
        "even",
        f"from solution import *\n\n\n{even_prompt('Is it even?')}",
        Reason.UNEXPECTED_CODE,
    ),
    "syntax": ("even", "def is_even:\n    pass\n", Reason.SYNTAX_ERROR),
    "only_a_signature": ("even", "def is_even(n):\n", Reason.SYNTAX_ERROR),
    "entry_point_missing": ("compress", compress_prompt().partition("def expand")[0], Reason.MISSING_ENTRY_POINT),
    "entry_point_renamed": ("even", even_prompt("Is it even?").replace("is_even", "even"), Reason.MISSING_ENTRY_POINT),
    "method_missing": (
        "stack",
        STACK_METHODS.partition("    def smallest")[0],
        Reason.MISSING_ENTRY_POINT,
    ),
    "method_invented": (
        "stack",
        STACK_METHODS + '\n    def peek(self):\n        """Top."""\n',
        Reason.UNKNOWN_DECLARATION,
    ),
    "function_invented": (
        "even",
        even_prompt("Is it even?", "\n\ndef odd(n):\n    pass\n"),
        Reason.UNKNOWN_DECLARATION,
    ),
    "parameter_renamed": ("even", even_prompt("Is it even?").replace("(n)", "(number)"), Reason.SIGNATURE_DIFFERS),
    "parameter_order": ("power", 'def power(b, a, /, *, mod=7):\n    """Power modulo."""\n', Reason.SIGNATURE_DIFFERS),
    "default_differs": ("compress", compress_prompt().replace("int = LIMIT", "int = 9"), Reason.SIGNATURE_DIFFERS),
    "default_lost": ("compress", compress_prompt().replace(" = LIMIT)", ")"), Reason.SIGNATURE_DIFFERS),
    "not_async": ("later", 'def later(x):\n    """The value twice, later."""\n', Reason.SIGNATURE_DIFFERS),
    "function_instead_of_class": (
        "stack",
        'def MinStack():\n    """A stack of numbers."""\n',
        Reason.SIGNATURE_DIFFERS,
    ),
    "other_base": ("stack", STACK_DOC.replace("MinStack:", "MinStack(list):", 1), Reason.SIGNATURE_DIFFERS),
    "static_method_made_plain": (
        "stack",
        f'{STACK_METHODS}\n    def name():\n        """Its name."""\n',
        Reason.SIGNATURE_DIFFERS,
    ),
    "foreign_decorator": (
        "even",
        f"import functools\n\n\n@functools.cache\n{even_prompt('Is it even?')}",
        Reason.SIGNATURE_DIFFERS,
    ),
    "constant_differs": (
        "compress",
        compress_prompt(head="from typing import *\n\nLIMIT = 8\n"),
        Reason.CONSTANT_DIFFERS,
    ),
    "no_docstring": ("even", "def is_even(n):\n    ...\n", Reason.MISSING_DOCSTRING),
    "one_without_docstring": (
        "compress",
        compress_prompt(shown=False).replace(f'"""{BACK}\n    """', "pass"),
        Reason.MISSING_DOCSTRING,
    ),
    "no_example": ("even", even_prompt("Whether a number is even.", shown=False), Reason.MISSING_EXAMPLE),
    "no_example_of_one_function": (
        "compress",
        compress_prompt(RUNS + RUNS_SHOWN, BACK, shown=False),
        Reason.MISSING_EXAMPLE,
    ),
    "example_that_calls_nothing": ("even", even_prompt("Even?\n\n    >>> 1 + 1\n    2"), Reason.MISSING_EXAMPLE),
    "example_that_only_names_it": (
        "even",
        even_prompt("Even?\n\n    >>> callable(is_even)\n    True"),
        Reason.MISSING_EXAMPLE,
    ),
    "no_example_of_a_class": (
        "stack",
        'class MinStack:\n    """A stack that can tell its smallest number."""\n',
        Reason.MISSING_EXAMPLE,
    ),
    "example_in_the_order_of_hashes": (
        "words",
        # So with Python's hash seed 0, which programs are executed with.
        'def words(text):\n    """The words, each once.\n\n    >>> words("pear kiwi apple fig plum")\n'
        "    'apple fig pear plum kiwi'\n    \"\"\"\n",
        Reason.FALSE_EXAMPLE,
    ),
    "false_example": ("even", even_prompt("Is it even?\n\n    >>> is_even(3)\n    True"), Reason.FALSE_EXAMPLE),
    "second_example_false": (
        "compress",
        compress_prompt(EXAMPLES, "Back.\n\n    >>> expand([('a', 2)])\n    'aaa'"),
        Reason.FALSE_EXAMPLE,
    ),
    "false_example_in_a_method": (
        "stack",
        STACK_METHODS.replace(
            "The smallest number.", "Smallest.\n\n        >>> MinStack().name()\n        'Max'\n        "
        ),
        Reason.FALSE_EXAMPLE,
    ),
    "false_example_in_the_module_docstring": (
        "even",
        f'"""Numbers.\n\n>>> is_even(2)\nFalse\n"""\n\n\n{even_prompt("Is it even?")}',
        Reason.FALSE_EXAMPLE,
    ),
    "false_example_in_comments": (
        "even",
        f"# >>> is_even(2)\n# False\n\n{even_prompt('Whether it is even.')}",
        Reason.FALSE_EXAMPLE,
    ),
    "false_stated_example": ("even", even_prompt("Even? Example: is_even(3) -> True"), Reason.FALSE_EXAMPLE),
    "false_stated_equation": (
        "even",
        even_prompt("Even?\n\n    - `is_even(4)` returns `False`."),
        Reason.FALSE_EXAMPLE,
    ),
    "example_names_what_does_not_exist": (
        "even",
        even_prompt("Even?\n\n    >>> is_odd(3)\n    True"),
        Reason.FALSE_EXAMPLE,
    ),
    "example_with_output_behind_the_call": (
        "even",
        even_prompt("Even?\n\n    >>> is_even(2) True"),
        Reason.FALSE_EXAMPLE,
    ),
    "example_skipped": (
        "even",
        even_prompt("Even?\n\n    >>> is_even(3)  # doctest: +SKIP\n    True"),
        Reason.FALSE_EXAMPLE,
    ),
    "example_without_its_output": ("even", even_prompt("Even?\n\n    >>> is_even(2)"), Reason.FALSE_EXAMPLE),
    "example_in_other_quotes": (
        "compress",
        compress_prompt(back='Back.\n\n    >>> expand([("a", 2)])\n    "aa"'),
        Reason.FALSE_EXAMPLE,
    ),
    "example_shows_another_function": (
        "even",
        even_prompt("Even?\n\n    >>> is_even = lambda n: n % 2 == 1\n    >>> is_even(3)\n    True"),
        Reason.FALSE_EXAMPLE,
    ),
    "example_imports_another_function": (
        "even",
        even_prompt("Even?\n\n    >>> from operator import not_ as is_even\n    >>> is_even(0)\n    True"),
        Reason.FALSE_EXAMPLE,
    ),
    "example_patches_a_method": (
        "stack",
        STACK_DOC.replace(
            "    >>> stack.push(2)\n", "    >>> MinStack.smallest = lambda self: 1\n    >>> stack.push(2)\n"
        ),
        Reason.FALSE_EXAMPLE,
    ),
    "example_reaches_around": (
        "even",
        even_prompt("Even?\n\n    >>> globals()['is_even'] = bool\n    >>> is_even(3)\n    True"),
        Reason.FALSE_EXAMPLE,
    ),
    "false_input_and_output": (
        "even",
        even_prompt(f"Even?{EVEN_SHOWN}\n\n    Example 1:\n    Input: n = 3\n    Output: True"),
        Reason.FALSE_EXAMPLE,
    ),
    "false_input_and_output_in_backticks": (
        "even",
        even_prompt(f"Even?{EVEN_SHOWN}\n\n    **Example:**\n\n    - Input: `3`\n    - Output: `True`"),
        Reason.FALSE_EXAMPLE,
    ),
    "false_example_in_words": ("even", even_prompt("Even? is_even(3) evaluates to True."), Reason.FALSE_EXAMPLE),
    "example_prints_the_source": (
        "compress",
        compress_prompt(
            f"The runs of compress('').\n\n    >>> import inspect\n    >>> print(inspect.getsource(compress))\n{BODY}"
        ),
        Reason.LEAKS_SOLUTION,
    ),
    "example_redefines": (
        "even",
        even_prompt("Even?\n\n    >>> is_even = bool\n    >>> is_even(3)\n    False"),
        Reason.FALSE_EXAMPLE,
    ),
    "base_left_out": ("bag", BAG_PROMPT.replace("(list)", ""), Reason.PROMPT_FAILS),
    "decorator_left_out": (
        "point",
        'class Point:\n    """A point in the plane.\n\n    >>> Point(1).norm()\n    1\n    """\n\n'
        '    x: int\n    y: int = 0\n\n    def norm(self):\n        """Sum of distances."""\n',
        Reason.PROMPT_FAILS,
    ),
    "unknown_type": ("even", even_prompt("Is it even?").replace("(n)", "(n: Number)"), Reason.PROMPT_FAILS),
}
