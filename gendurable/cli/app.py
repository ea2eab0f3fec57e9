"""All commands, gathered: a module for each group of them."""

from __future__ import annotations

import click

from gendurable.cli import (
    care,
    change,
    dashboard,
    demo,
    draw,
    limits,
    look,
    numbers,
    operate,
    schedules,
    schema,
    show,
)
from gendurable.cli.group import Commands
from gendurable.cli.worker import worker

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Commands, context_settings=_SETTINGS)
@click.version_option(package_name="gendurable")
def main() -> None:
    """Durable state machines and jobs in PostgreSQL.

    Most commands are given the binding of an application as module:attribute, such as
    myapp:durable; the module is imported from the current directory. INSTANCE is an id or a
    correlation key.

    \b
    Exit status: 0 all is well, 1 something is wrong or not there,
                 2 the command is not right.
    Completion:  eval "$(_GENDURABLE_COMPLETE=bash_source gendurable)"
                 the same with zsh_source, or for fish:
                 _GENDURABLE_COMPLETE=fish_source gendurable | source
    """


for _command in (
    worker,
    look.ls,
    show.show,
    *numbers.COMMANDS,
    *change.COMMANDS,
    *operate.COMMANDS,
    schedules.schedules,
    *care.COMMANDS,
    limits.limits,
    draw.graph,
    schema.schema,
    dashboard.dashboard,
    demo.demo,
):
    main.add_command(_command)
