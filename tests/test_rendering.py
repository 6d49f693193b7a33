"""By what a shard is known: the code that renders it, not the code that lies in the checkout by now."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks import rendering
from tasks.licences import TermsTable
from tasks.loading import Lens
from tasks.pieces import Piece


def test_a_shard_is_known_by_the_code_that_was_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(rendering.__file__, tmp_path / "rendering.py")
    piece, lens = Piece("Leetcode", "Leetcode_00000", 1, 0, "f"), Lens(TermsTable.load())

    def imported(name: str) -> Callable[[], str]:
        spec = importlib.util.spec_from_file_location(name, tmp_path / "rendering.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return lambda: str(module.shard_id(piece, [], lens))

    before = imported("before")
    (tmp_path / "layout.py").write_text("# The checkout is updated while the process works.")
    after = imported("after")
    (tmp_path / "layout.py").unlink()
    again = imported("again")
    assert before() == again() != after()
