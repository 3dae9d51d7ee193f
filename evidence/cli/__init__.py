"""The command line, `evidence`: one module a noun, and nothing heavy loaded before it is needed.

`app` is the tree of commands, `boundary` turns every failure into words and an exit code,
`output` is the only way to the terminal.  Only the commands of `server`, `admin`, `doctor` and
`demo` touch the database; all others are HTTP clients under the same rules as anybody.
"""

from collections.abc import Sequence
from typing import NoReturn


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process with its exit code (`exits.ExitCode`)."""
    from evidence.cli import app

    raise SystemExit(app.run(arguments))
