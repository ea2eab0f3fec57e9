"""Runs this repository's migrations against the database that $DATABASE_URL names."""

import os
from logging.config import fileConfig

from alembic import context
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from gendurable.migrations.autogenerate import OWN
from gendurable.models import SCHEMA, Base


def only_ours(name: str | None, kind: str, parents: dict[str, str | None]) -> bool:
    """Let `alembic check` and `--autogenerate` see no schema but ours."""
    return kind != "schema" or name == SCHEMA


OPTIONS = {
    "target_metadata": Base.metadata,
    "include_schemas": True,
    "include_name": only_ours,
    OWN: True,
    # The database may hold an application that has an alembic_version of its own.
    "version_table": "gendurable_version",
}


def database_url() -> str:
    """Return $DATABASE_URL as SQLAlchemy wants it, with the driver that gendurable uses."""
    if "DATABASE_URL" not in os.environ:
        raise SystemExit("set DATABASE_URL, for example to postgresql://me@localhost/mine")
    url = make_url(os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1))
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


def run_offline() -> None:
    """Print the SQL, for `--sql`."""
    context.configure(dialect_name="postgresql", literal_binds=True, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Migrate the database."""
    with create_engine(database_url(), poolclass=NullPool).connect() as connection:
        context.configure(connection=connection, **OPTIONS)
        with context.begin_transaction():
            context.run_migrations()


if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

if context.is_offline_mode():
    run_offline()
else:
    run_online()
