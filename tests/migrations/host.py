"""A host application with an Alembic environment of its own, as ``alembic init`` makes it."""

from __future__ import annotations

import io
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

ENV = """
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

config = context.config
options = config.attributes["options"]
if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(config.get_main_option("url"), poolclass=NullPool).connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
"""

TEMPLATE = '''
"""${message}"""
from alembic import op
import sqlalchemy as sa
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}

def upgrade():
    ${upgrades if upgrades else "pass"}

def downgrade():
    ${downgrades if downgrades else "pass"}
'''


class Host:
    """A folder with an Alembic environment, and the commands that its author types."""

    def __init__(self, folder: Path, url: str, **options: Any) -> None:
        self.folder = folder
        self.versions = folder / "versions"
        self.versions.mkdir(parents=True)
        (folder / "env.py").write_text(ENV)
        (folder / "script.py.mako").write_text(TEMPLATE)
        self._main = {"script_location": str(folder), "url": url.replace("%", "%%")}
        self._options = options

    def configure(self, **main: str) -> None:
        """Set entries of the host's alembic.ini."""
        self._main |= main

    def revision(self, name: str, after: str | None, up: str, down: str = "pass") -> None:
        """Write a revision by hand."""
        (self.versions / f"{name}.py").write_text(
            dedent(
                f"""
                from alembic import op
                from gendurable import migrations
                revision, down_revision = {name!r}, {after!r}

                def upgrade():
                    {up}

                def downgrade():
                    {down}
                """
            )
        )

    def upgrade(self, to: str, **options: Any) -> str:
        """Type ``alembic upgrade``; return what it prints."""
        return self._type(command.upgrade, to, **options)

    def downgrade(self, to: str, **options: Any) -> str:
        """Type ``alembic downgrade``; return what it prints."""
        return self._type(command.downgrade, to, **options)

    def autogenerate(self, **options: Any) -> str:
        """Type ``alembic revision --autogenerate``; return the body of the new upgrade."""
        written = command.revision(self._config(), "auto", autogenerate=True, **options)
        assert written is not None
        assert not isinstance(written, list)
        body = Path(written.path).read_text().split("def upgrade():")[1].split("def down")[0]
        return re.sub(r"#.*", "", body).strip()

    def heads(self) -> set[str]:
        """Return the ids of the newest revisions."""
        return set(ScriptDirectory.from_config(self._config()).get_heads())

    def _type(self, run: Any, to: str, **options: Any) -> str:
        config = self._config()
        run(config, to, **options)
        return str(config.output_buffer.getvalue())

    def _config(self) -> Config:
        config = Config(
            output_buffer=io.StringIO(),
            stdout=io.StringIO(),
            attributes={"options": self._options},
        )
        for name, value in self._main.items():
            config.set_main_option(name, value)
        return config
