"""``python -m gendurable.cli``: the same as the command ``gendurable``."""

from gendurable.cli import main

main(prog_name="gendurable")
