"""Entry point of every guest process: `python start.py zygote|probe FD`. Loads its siblings without a path entry."""

import sys

# The folder of this script must not shadow the standard library, for us or for judged programs.
here = sys.path.pop(0) if not getattr(sys.flags, "safe_path", False) else ""

import importlib.util  # noqa: E402
import os  # noqa: E402

NAME = "kodcode_guest"


def load() -> None:
    folder = os.path.dirname(os.path.realpath(__file__))
    spec = importlib.util.spec_from_file_location(NAME, f"{folder}/__init__.py", submodule_search_locations=[folder])
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    load()
    importlib.import_module(f"{NAME}.{sys.argv[1]}").main(int(sys.argv[2]))
