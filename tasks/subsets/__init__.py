"""The twelve generators of questions: seeds, prompts, requests and what is read from the answers."""

from tasks.subsets._builtin import builtin_seeds
from tasks.subsets._pages import load_docs_folder, load_docstrings
from tasks.subsets._snippets import SizeLimits, load_package, load_source_tree, load_standard_library
from tasks.subsets._tables import load_table
from tasks.subsets.declared import SHIPPED as SHIPPED_SOURCES
from tasks.subsets.declared import Source, declared_sources, load_declared
from tasks.subsets.errors import SubsetError
from tasks.subsets.extract import (
    Annotation,
    Extraction,
    Reason,
    extract_question,
    read_annotation,
)
from tasks.subsets.generate import annotate_request, propose_request
from tasks.subsets.prompts import PromptError, Rendered, UnknownPrompt, render
from tasks.subsets.registry import SUBSETS, Subset, UnknownSubset, get_subset
from tasks.subsets.requests import complete_request, online_judge_request, respond_request, solve_request
from tasks.subsets.seeds import (
    BUILTIN_SOURCE,
    NoSeeds,
    RowProblem,
    Seed,
    SeedError,
    SeedReport,
    choose_seeds,
    merge,
    require_seeds,
    seed_id,
)
from tasks.subsets.sources import SeedSource, load_seeds, load_source
from tasks.subsets.templates import (
    CHATML,
    TEMPLATES,
    BaseModel,
    ChatTemplate,
    UnknownTemplate,
    base_models,
    get_template,
)

__all__ = [
    "BUILTIN_SOURCE",
    "CHATML",
    "SHIPPED_SOURCES",
    "SUBSETS",
    "TEMPLATES",
    "Annotation",
    "BaseModel",
    "ChatTemplate",
    "Extraction",
    "NoSeeds",
    "PromptError",
    "Reason",
    "Rendered",
    "RowProblem",
    "Seed",
    "SeedError",
    "SeedReport",
    "SeedSource",
    "SizeLimits",
    "Source",
    "Subset",
    "SubsetError",
    "UnknownPrompt",
    "UnknownSubset",
    "UnknownTemplate",
    "annotate_request",
    "base_models",
    "builtin_seeds",
    "choose_seeds",
    "complete_request",
    "declared_sources",
    "extract_question",
    "get_subset",
    "get_template",
    "load_declared",
    "load_docs_folder",
    "load_docstrings",
    "load_package",
    "load_seeds",
    "load_source",
    "load_source_tree",
    "load_standard_library",
    "load_table",
    "merge",
    "online_judge_request",
    "propose_request",
    "read_annotation",
    "render",
    "require_seeds",
    "respond_request",
    "seed_id",
    "solve_request",
]
