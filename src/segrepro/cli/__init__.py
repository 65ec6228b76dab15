"""The command line: one subcommand per arrow; parse, call one function, exit.

Run-level commands take an address, the run's path below ``results``: STUDY/DATASET/MODEL/RUN.
"""

import sys

from segrepro.cli._app import app
from segrepro.errors import UserError

# Each file's commands join the application as it is imported: in the order of the arrows.
# isort: off
from segrepro.cli import _data, _runs, _medsam, _studies, _lists  # noqa: F401 - as above
# isort: on


def main() -> None:
    """Run the command line; a user's mistake ends in two lines and exit code 2."""
    try:
        app()
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
