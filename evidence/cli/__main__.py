"""`python -m evidence.cli` is `evidence`; the supervisor starts its children so."""

from evidence.cli import run

run()
