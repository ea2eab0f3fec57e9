"""How the commands fail: a sentence and an exit status, no traceback."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from gendurable.engine import faults
from gendurable.errors import GenDurableError, InvalidInput


class Wrong(click.ClickException):
    """The command cannot be carried out as it was given."""

    exit_code = 2


class Commands(click.Group):
    """A group whose commands turn the library's errors into sentences."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Keep the order in which they were added: what is used together stands together."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what the library complains of is the user's to read."""
        try:
            return super().invoke(ctx)
        except InvalidInput as error:
            raise Wrong(str(error)) from error
        except GenDurableError as error:
            raise click.ClickException(str(error)) from error
        except DBAPIError as error:
            text = str(error.orig).strip().partition("\n")[0]
            what = "does not answer" if faults.is_lost(error) else "refuses this"
            raise click.ClickException(f"the database {what}: {text}") from error
