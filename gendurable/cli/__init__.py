"""The command line: one module for each command, gathered here."""

from __future__ import annotations

import click

from gendurable.cli.dashboard import dashboard
from gendurable.cli.worker import worker


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gendurable")
def main() -> None:
    """Durable state machines and jobs in PostgreSQL."""


main.add_command(worker)
main.add_command(dashboard)
