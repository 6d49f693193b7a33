"""Databases as earlier versions left them."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest.mock import patch

from sqlalchemy import Engine

from tasks.store import database, migrate


def migrate_to(revision: str, engine: Engine, folder: Path) -> None:
    """Give an empty database the schema of a revision, without views, which only the newest schema has."""
    shutil.copytree(database.SQL_FOLDER / "migrations", folder / "migrations")
    (folder / "views").mkdir()
    for later in (folder / "migrations" / "versions").glob("*.py"):
        if later.name[:4] > revision:
            later.unlink()
    with patch.object(database, "SQL_FOLDER", folder):
        migrate(engine)
