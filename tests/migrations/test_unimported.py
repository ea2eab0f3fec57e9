"""A host that compares all schemas, and of which nothing imports gendurable but its env.py."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from gendurable import migrations

GUIDE = Path(__file__).parents[2] / "docs/guides/migrations.md"

ENV = """
from alembic import context
from sqlalchemy import MetaData, create_engine

with create_engine(context.config.get_main_option("url")).connect() as connection:
    context.configure(connection, target_metadata=MetaData(), include_schemas=True)
    with context.begin_transaction():
        context.run_migrations()
"""

#: What ``alembic revision --autogenerate`` does, except that it prints what it would write.
AUTOGENERATE = """
import sys

from alembic import command
from alembic.config import Config

config = Config()
config.set_main_option("script_location", sys.argv[1])
config.set_main_option("url", sys.argv[2].replace("%", "%%"))

def show(context, revision, directives):
    for change in directives[0].upgrade_ops.as_diffs():
        print(change[0])
    directives.clear()

command.revision(config, autogenerate=True, process_revision_directives=show)
"""


@pytest.mark.parametrize("imports", [True, False])
@pytest.mark.parametrize("schema", ["gendurable", "work"])
def test_the_import_that_the_guide_shows_protects_our_tables(tmp_path, empty_url, schema, imports):
    """With it nothing is proposed; without it Alembic takes them for what is to be dropped."""
    engine = create_engine(empty_url)
    migrations.create_schema(engine, schema)
    engine.dispose()
    (line,) = re.findall("^import gendurable.migrations .*$", GUIDE.read_text(), re.MULTILINE)
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(f"{line if imports else ''}{ENV}")

    command = [sys.executable, "-c", AUTOGENERATE, str(tmp_path), empty_url]
    proposed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert ("remove_table" in proposed) is not imports
    assert bool(proposed) is not imports
