"""Seeds that come with the project, so that every subset runs without a download."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable
from pathlib import Path

from tasks.subsets._pages import load_docstrings
from tasks.subsets._snippets import UnreadableSource, definitions, find_package, python_revision, read_limited
from tasks.subsets.registry import Subset
from tasks.subsets.seeds import BUILTIN_SOURCE, Seed, SeedError, SeedReport, collect, merge

_FOLDER = Path(__file__).parent / "builtin"
_LICENCE = "PSF-2.0"

# Modules of the standard library with names of definitions; a name that a Python version lacks is passed over.
_ALGORITHMS: dict[str, tuple[str, ...]] = {
    "heapq": ("heapify", "merge", "nsmallest", "nlargest", "_siftup", "_siftdown"),
    "bisect": ("bisect_right", "bisect_left"),
    "functools": ("reduce", "_c3_merge", "_c3_mro", "cmp_to_key"),
    "difflib": (
        "get_close_matches",
        "SequenceMatcher.find_longest_match",
        "SequenceMatcher.get_matching_blocks",
        "SequenceMatcher.get_opcodes",
        "SequenceMatcher.get_grouped_opcodes",
        "SequenceMatcher.quick_ratio",
        "Differ._fancy_replace",
    ),
    "textwrap": ("dedent", "TextWrapper._wrap_chunks", "TextWrapper._handle_long_word", "shorten"),
    "graphlib": ("TopologicalSorter._find_cycle", "TopologicalSorter.done", "TopologicalSorter.static_order"),
    "fractions": ("Fraction.limit_denominator", "Fraction.__round__", "Fraction._richcmp"),
    "statistics": (
        "median",
        "median_grouped",
        "multimode",
        "quantiles",
        "linear_regression",
        "correlation",
        "_ss",
        "harmonic_mean",
        "_integer_sqrt_of_frac_rto",
    ),
    "random": ("Random.shuffle", "Random.sample", "Random.choices", "Random._randbelow_with_getrandbits"),
    "calendar": ("monthrange", "Calendar.itermonthdates", "Calendar.monthdatescalendar"),
    "ipaddress": ("summarize_address_range", "collapse_addresses", "_collapse_addresses_internal"),
    "fnmatch": ("translate", "filter"),
    "posixpath": ("normpath", "commonpath", "relpath"),
    "colorsys": ("rgb_to_hls", "hls_to_rgb", "rgb_to_hsv"),
    "base64": ("b32decode", "_85encode", "b85decode"),
    "shlex": ("shlex.read_token",),
    "encodings.punycode": ("segregate", "insertion_unsort", "adapt", "generate_integers", "decode_generalized_number"),
    "_pydecimal": ("_sqrt_nearest", "_rshift_nearest", "_div_nearest", "_dlog10", "_format_align"),
    "csv": ("Sniffer._guess_delimiter", "Sniffer.has_header"),
    "string": ("capwords",),
    "locale": ("_group",),
    "glob": ("translate",),
}
_STRUCTURES: dict[str, tuple[str, ...]] = {
    "collections": (
        "OrderedDict",
        "Counter.subtract",
        "Counter.elements",
        "Counter.most_common",
        "Counter.update",
        "ChainMap",
        "UserDict",
        "UserList",
        "UserString.__init__",
        "_OrderedDictKeysView",
        "Counter._keep_positive",
        "Counter.__and__",
        "OrderedDict.move_to_end",
        "OrderedDict.popitem",
    ),
    "_collections_abc": ("Set", "MutableSet", "Mapping", "MutableMapping", "Sequence", "MutableSequence", "ItemsView"),
    "queue": ("Queue.put", "Queue.get", "PriorityQueue", "LifoQueue", "_PySimpleQueue"),
    "heapq": ("heappushpop", "heapreplace", "merge", "nsmallest", "_heapify_max"),
    "graphlib": ("TopologicalSorter.add", "TopologicalSorter.prepare", "TopologicalSorter.get_ready", "_NodeInfo"),
    "functools": ("_lru_cache_wrapper", "singledispatch", "_HashedSeq", "_make_key"),
    "weakref": ("WeakKeyDictionary", "WeakValueDictionary", "finalize"),
    "_weakrefset": ("WeakSet",),
    "sched": ("scheduler",),
    "contextlib": ("ExitStack", "_BaseExitStack"),
    "threading": ("Semaphore", "Barrier", "Condition.wait_for"),
    "asyncio.queues": ("PriorityQueue", "LifoQueue"),
    "shelve": ("Shelf",),
    "tempfile": ("SpooledTemporaryFile",),
    "http.cookies": ("Morsel",),
    "string": ("Template", "Formatter"),
    "traceback": ("StackSummary",),
    "multiprocessing.heap": ("Heap",),
    "fractions": ("Fraction",),
    "types": ("DynamicClassAttribute",),
    "configparser": ("ConverterMapping", "SectionProxy"),
    "email._parseaddr": ("AddressList",),
    "ipaddress": ("_BaseNetwork.subnets", "_BaseNetwork.address_exclude"),
    "selectors": ("_SelectorMapping",),
    "xml.sax.xmlreader": ("AttributesImpl",),
}
_DOCUMENTED = (
    "heapq",
    "bisect",
    "collections",
    "functools",
    "itertools",
    "statistics",
    "difflib",
    "textwrap",
    "graphlib",
    "fractions",
    "string",
    "re",
    "datetime",
    "decimal",
    "math",
    "operator",
    "contextlib",
    "dataclasses",
    "enum",
    "ipaddress",
    "shlex",
    "calendar",
    "base64",
    "struct",
    "json",
    "csv",
    "copy",
    "pprint",
    "ast",
    "html",
)
_MAX_CHARS = 8_000


@functools.cache
def builtin_seeds(spec: Subset) -> SeedReport:
    """The seeds shipped for a subset; empty for those that use none."""
    if spec.seed_kind is None:
        return SeedReport(())
    if spec.seed_kind == "page":
        return merge(_documentation(name) for name in _DOCUMENTED)
    if spec.seed_kind == "snippet":
        return _standard_library(_ALGORITHMS if spec.name == "Algorithm" else _STRUCTURES)
    path = _FOLDER / f"{spec.slug}.toml"
    if not path.is_file():
        raise SeedError(f"The built-in seeds {path} are missing. Install kodcode again.")
    origin = Seed("", BUILTIN_SOURCE, None, "Apache-2.0")
    rows = tomllib.loads(path.read_text("utf-8"))["seed"]
    return collect(((number, row["text"], origin) for number, row in enumerate(rows, 1)), path.name, 20_000)


def _documentation(name: str) -> SeedReport:
    report = load_docstrings(name, licence=_LICENCE)
    seeds = (Seed(seed.text, BUILTIN_SOURCE, f"{name}, {python_revision()}", _LICENCE) for seed in report.seeds)
    return SeedReport(tuple(seeds), report.problems, report.duplicates)


def _standard_library(wanted: dict[str, tuple[str, ...]]) -> SeedReport:
    return merge(_definitions(module, names) for module, names in wanted.items())


def _definitions(module: str, names: Iterable[str]) -> SeedReport:
    try:
        path = find_package(module)
        found = definitions(read_limited(path / "__init__.py" if path.is_dir() else path))
    except (SeedError, UnreadableSource):  # a Python version or distribution without this module's source
        return SeedReport(())
    rows = []
    for name in names:
        snippet = found.get(name)
        if snippet is not None and len(snippet.text) <= _MAX_CHARS:
            rows.append(
                (
                    snippet.line,
                    snippet.text,
                    Seed("", BUILTIN_SOURCE, f"{module}.{name}, {python_revision()}", _LICENCE),
                )
            )
    return collect(rows, module, _MAX_CHARS)
