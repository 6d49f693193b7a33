"""Problems of the simulation: each with right solutions, wrong ones as models write them, and a source of inputs.

`{a}` and `{b}` in a text are numbers that make a question of its own of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Inputs = Callable[[random.Random], tuple[Any, ...]]


@dataclass(frozen=True)
class Problem:
    """Every solution defines `name`; wrong ones differ from the right ones on some inputs only."""

    name: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    inputs: Inputs


def _numbers(low: int = -9, high: int = 30, most: int = 8) -> Inputs:
    return lambda rng: ([rng.randint(low, high) for _ in range(rng.randint(0, most))],)


def _clamped(rng: random.Random) -> tuple[int, int, int]:
    low = rng.randint(-5, 5)
    return rng.randint(-12, 20), low, low + rng.randint(0, 9)


def _intervals(rng: random.Random) -> tuple[list[list[int]]]:
    starts = [rng.randint(0, 20) for _ in range(rng.randint(0, 5))]
    return ([[start, start + rng.randint(0, 6)] for start in starts],)


def _words(rng: random.Random) -> tuple[str]:
    return (" ".join(rng.choice(["fig", "kiwi", "plum", "Fig", "pear"]) for _ in range(rng.randint(0, 7))),)


def _letters(rng: random.Random) -> tuple[str]:
    return ("".join(rng.choice("aabcxyzZQ -") for _ in range(rng.randint(0, 9))),)


def _brackets(rng: random.Random) -> tuple[str]:
    half = "".join(rng.choice("([{") for _ in range(rng.randint(0, 3)))
    closed = half + "".join({"(": ")", "[": "]", "{": "}"}[letter] for letter in reversed(half))
    spoilt = list(closed + closed)
    if spoilt and rng.random() < 0.6:
        spoilt[rng.randrange(len(spoilt))] = rng.choice("()[]{}")
    return ("".join(spoilt),)


def _sorted_and_one(rng: random.Random) -> tuple[list[int], int]:
    values = sorted(rng.randint(0, 12) for _ in range(rng.randint(0, 7)))
    return values, rng.choice([*values, rng.randint(-1, 13)])


PROBLEMS: tuple[Problem, ...] = (
    Problem(
        "clamp",
        (
            """def clamp(x, lo, hi):
    if x < lo:
        return lo
    if x > hi:
        return hi
    return x
""",
            """def clamp(x, lo, hi):
    return max(lo, min(x, hi))
""",
        ),
        (
            """def clamp(x, lo, hi):
    if x < lo:
        return lo
    if x >= hi:
        return hi - 1
    return x
""",
            """def clamp(x, lo, hi):
    return max(lo, x)
""",
            """def clamp(x, lo, hi):
    return min(hi, abs(max(lo, x)))
""",
            """def clamp(x, lo, hi):
    if x < lo or x > hi:
        return lo
    return x
""",
        ),
        _clamped,
    ),
    Problem(
        "count_over",
        (
            """def count_over(values):
    return sum(1 for value in values if value > {a})
""",
            """def count_over(values):
    count = 0
    for value in values:
        if value > {a}:
            count += 1
    return count
""",
        ),
        (
            """def count_over(values):
    return sum(1 for value in values if value >= {a} - 1)
""",
            """def count_over(values):
    return len({{value for value in values if value > {a}}})
""",
            """def count_over(values):
    return sum(1 for value in values if abs(value) > {a})
""",
            """def count_over(values):
    return sum(value for value in values if value > {a})
""",
        ),
        _numbers(),
    ),
    Problem(
        "digit_sum",
        (
            """def digit_sum(n):
    return sum(int(digit) for digit in str(abs(n))) % {b}
""",
            """def digit_sum(n):
    n, total = abs(n), 0
    while n:
        n, digit = divmod(n, 10)
        total += digit
    return total % {b}
""",
        ),
        (
            """def digit_sum(n):
    return sum(int(digit) for digit in str(abs(n))) % ({b} + 1)
""",
            """def digit_sum(n):
    return abs(n) % {b}
""",
            """def digit_sum(n):
    return sum(int(digit) for digit in str(n)[1:]) % {b} if n else 0
""",
            """def digit_sum(n):
    return sum({{int(digit) for digit in str(abs(n))}}) % {b}
""",
        ),
        lambda rng: (rng.choice([rng.randint(-50, 50), rng.randint(100, 99999)]),),
    ),
    Problem(
        "rotate",
        (
            """def rotate(values):
    if not values:
        return []
    k = {a} % len(values)
    return values[-k:] + values[:-k] if k else list(values)
""",
            """def rotate(values):
    return [values[(i - {a}) % len(values)] for i in range(len(values))]
""",
        ),
        (
            """def rotate(values):
    return [values[(i + {a}) % len(values)] for i in range(len(values))]
""",
            """def rotate(values):
    return values[-{a}:] + values[:-{a}]
""",
            """def rotate(values):
    return [values[(i - {a} + 1) % len(values)] for i in range(len(values))]
""",
            """def rotate(values):
    return list(reversed(values))
""",
        ),
        _numbers(0, 9),
    ),
    Problem(
        "encode",
        (
            """def encode(text):
    runs = []
    for letter in text:
        if runs and runs[-1][0] == letter:
            runs[-1][1] += 1
        else:
            runs.append([letter, 1])
    return [tuple(run) for run in runs]
""",
            """from itertools import groupby

def encode(text):
    return [(letter, len(list(group))) for letter, group in groupby(text)]
""",
        ),
        (
            """from collections import Counter

def encode(text):
    return list(Counter(text).items())
""",
            """def encode(text):
    runs = []
    count = 1
    for i in range(1, len(text)):
        if text[i] == text[i - 1]:
            count += 1
        else:
            runs.append((text[i - 1], count))
            count = 1
    return runs
""",
            """from itertools import groupby

def encode(text):
    return [(letter, len(list(group))) for letter, group in groupby(text.lower())]
""",
            """from itertools import groupby

def encode(text):
    return [(letter, len(list(group))) for letter, group in groupby(sorted(text))]
""",
        ),
        lambda rng: ("".join(rng.choice("aaabBc") for _ in range(rng.randint(0, 8))),),
    ),
    Problem(
        "streak",
        (
            """def streak(values):
    best = run = 0
    for value in values:
        run = run + 1 if value >= {a} else 0
        best = max(best, run)
    return best
""",
            """def streak(values):
    marks = ''.join('1' if value >= {a} else '0' for value in values)
    return max(len(part) for part in marks.split('0'))
""",
        ),
        (
            """def streak(values):
    return sum(1 for value in values if value >= {a})
""",
            """def streak(values):
    best = run = 0
    for value in values:
        run = run + 1 if value > {a} + 2 else 0
        best = max(best, run)
    return best
""",
            """def streak(values):
    best = run = 0
    for value in values:
        if value >= {a}:
            run += 1
        else:
            best = max(best, run)
            run = 0
    return best
""",
            """def streak(values):
    run = 0
    for value in values:
        run = run + 1 if value >= {a} else 0
    return run
""",
        ),
        _numbers(0, 14),
    ),
    Problem(
        "merge",
        (
            """def merge(intervals):
    merged = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged
""",
            """def merge(intervals):
    found = []
    for low, high in sorted(intervals):
        while found and found[-1][1] >= low:
            other = found.pop()
            low, high = min(low, other[0]), max(high, other[1])
        found.append([low, high])
    return found
""",
        ),
        (
            """def merge(intervals):
    merged = []
    for start, end in sorted(intervals):
        if merged and start < merged[-1][1]:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    return merged
""",
            """def merge(intervals):
    merged = []
    for start, end in intervals:
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged
""",
            """def merge(intervals):
    merged = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged
""",
            """def merge(intervals):
    if not intervals:
        return []
    return [[min(i[0] for i in intervals), max(i[1] for i in intervals)]]
""",
        ),
        _intervals,
    ),
    Problem(
        "balanced",
        (
            """def balanced(text):
    pairs = {{')': '(', ']': '[', '}}': '{{'}}
    stack = []
    for letter in text:
        if letter in pairs:
            if not stack or stack.pop() != pairs[letter]:
                return False
        else:
            stack.append(letter)
    return not stack
""",
            """def balanced(text):
    before = None
    while before != text:
        before = text
        for pair in ('()', '[]', '{{}}'):
            text = text.replace(pair, '')
    return text == ''
""",
        ),
        (
            """def balanced(text):
    return all(text.count(a) == text.count(b) for a, b in ('()', '[]', '{{}}'))
""",
            """def balanced(text):
    depth = 0
    for letter in text:
        depth += 1 if letter in '([{{' else -1
        if depth < 0:
            return False
    return depth == 0
""",
            """def balanced(text):
    pairs = {{')': '(', ']': '[', '}}': '{{'}}
    stack = []
    for letter in text:
        if letter in pairs:
            if stack and stack.pop() != pairs[letter]:
                return False
        else:
            stack.append(letter)
    return True
""",
            """def balanced(text):
    return len(text) % 2 == 0
""",
        ),
        _brackets,
    ),
    Problem(
        "shift",
        (
            """def shift(text):
    out = ''
    for letter in text:
        if letter.islower():
            out += chr((ord(letter) - 97 + {a}) % 26 + 97)
        elif letter.isupper():
            out += chr((ord(letter) - 65 + {a}) % 26 + 65)
        else:
            out += letter
    return out
""",
            """import string

def shift(text):
    low, high, k = string.ascii_lowercase, string.ascii_uppercase, {a} % 26
    table = str.maketrans(low + high, low[k:] + low[:k] + high[k:] + high[:k])
    return text.translate(table)
""",
        ),
        (
            """def shift(text):
    return ''.join(chr(ord(letter) + {a}) if letter.isalpha() else letter for letter in text)
""",
            """def shift(text):
    return ''.join(chr((ord(c) - 97 + {a}) % 26 + 97) if c.isalpha() else c for c in text.lower())
""",
            """def shift(text):
    return ''.join(chr((ord(c) - 97 - {a}) % 26 + 97) if c.islower() else c for c in text)
""",
            """def shift(text):
    return ''.join(chr((ord(c) - 97 + {a}) % 26 + 97) if c.islower() else c for c in text)
""",
        ),
        _letters,
    ),
    Problem(
        "second",
        (
            """def second(values):
    distinct = sorted(set(values))
    return distinct[-2] if len(distinct) > 1 else None
""",
            """def second(values):
    top = under = None
    for value in values:
        if top is None or value > top:
            top, under = value, top
        elif value != top and (under is None or value > under):
            under = value
    return under
""",
        ),
        (
            """def second(values):
    return sorted(values)[-2] if len(values) > 1 else None
""",
            """def second(values):
    distinct = sorted(set(values))
    return distinct[1] if len(distinct) > 1 else None
""",
            """def second(values):
    top = under = 0
    for value in values:
        if value > top:
            top, under = value, top
        elif under < value < top:
            under = value
    return under or None
""",
            """def second(values):
    distinct = sorted(set(values))
    return distinct[-2] if len(distinct) > 2 else None
""",
        ),
        _numbers(-4, 5, 6),
    ),
    Problem(
        "common",
        (
            """from collections import Counter

def common(text):
    counts = Counter(text.split())
    return sorted(counts, key=lambda word: (-counts[word], word))[:{b}]
""",
            """def common(text):
    words = text.split()
    order = sorted(set(words))
    order.sort(key=words.count, reverse=True)
    return order[:{b}]
""",
        ),
        (
            """from collections import Counter

def common(text):
    return [word for word, _ in Counter(text.split()).most_common({b})]
""",
            """from collections import Counter

def common(text):
    counts = Counter(text.lower().split())
    return sorted(counts, key=lambda word: (-counts[word], word))[:{b}]
""",
            """def common(text):
    return sorted(set(text.split()))[:{b}]
""",
            """from collections import Counter

def common(text):
    counts = Counter(text.split())
    return sorted(counts, key=lambda word: (counts[word], word), reverse=True)[:{b}]
""",
        ),
        _words,
    ),
    Problem(
        "place",
        (
            """from bisect import bisect_left

def place(values, wanted):
    return bisect_left(values, wanted)
""",
            """def place(values, wanted):
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low
""",
        ),
        (
            """from bisect import bisect_right

def place(values, wanted):
    return bisect_right(values, wanted)
""",
            """def place(values, wanted):
    return values.index(wanted) if wanted in values else -1
""",
            """def place(values, wanted):
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low
""",
            """def place(values, wanted):
    return sum(1 for value in values if value != wanted)
""",
        ),
        _sorted_and_one,
    ),
    Problem(
        "price",
        (
            """def price(count):
    if count >= 10 * {b}:
        rate = 80
    elif count >= {b}:
        rate = 90
    else:
        rate = 100
    return count * {a} * rate // 100
""",
            """def price(count):
    rates = [(10 * {b}, 80), ({b}, 90), (0, 100)]
    rate = next(rate for least, rate in rates if count >= least)
    return rate * count * {a} // 100
""",
        ),
        (
            """def price(count):
    rate = 100
    if count >= 10 * {b}:
        rate = 80
    if count >= {b}:
        rate = 90
    return count * {a} * rate // 100
""",
            """def price(count):
    if count > 10 * {b}:
        rate = 80
    elif count > {b}:
        rate = 90
    else:
        rate = 100
    return count * {a} * rate // 100
""",
            """def price(count):
    if count >= 10 * {b}:
        rate = 20
    elif count >= {b}:
        rate = 10
    else:
        rate = 100
    return count * {a} * rate // 100
""",
            """def price(count):
    rate = 90 if count >= {b} else 100
    return count * {a} * rate // 100
""",
        ),
        lambda rng: (rng.choice([0, 1, 2, 3, 4, 5, 6, 9, 10, 20, 30, 40, 50, 60, 61]),),
    ),
    Problem(
        "median",
        (
            """def median(values):
    if not values:
        return None
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2
""",
            """import statistics

def median(values):
    return statistics.median(values) if values else None
""",
        ),
        (
            """def median(values):
    return sorted(values)[len(values) // 2] if values else None
""",
            """def median(values):
    if not values:
        return None
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
""",
            """def median(values):
    return sum(values) / len(values) if values else None
""",
            """def median(values):
    return (min(values) + max(values)) / 2 if values else None
""",
        ),
        _numbers(0, 9, 6),
    ),
)
