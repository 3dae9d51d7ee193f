"""python -m evidence.verify PACKAGE --trust KEYFILE [--json]."""

import argparse
import json
import sys
from pathlib import Path
from typing import NoReturn

from evidence.proof import FormatError
from evidence.proof.trust import LARGEST_FILE, Trust, parse
from evidence.verify import Event, UnreadableError, report, verify

EXIT_CODES = {"verified": 0, "unreadable": 2, "broken": 7, "incomplete": 8}


class _UnusableTrustError(Exception):
    """There is no trust file, or none that can be used."""


def run() -> NoReturn:
    """Verify the package named on the command line and end with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # Words of a package may hold any letter; a console that cannot show one gets a question mark.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Verify, print, and return the exit code: 0 verified, 7 broken, 8 incomplete, 2 nothing to verify."""
    asked = _parser().parse_args(arguments)
    try:
        trust = _read_trust(asked.trust)
        verdict = verify(asked.package, trust, tell=_tell if asked.json else _progress)
    except _UnusableTrustError as wrong:
        message, next_step = str(wrong), "Ask the agency, another way than by the package, for its trust file."
    except UnreadableError as wrong:
        message, next_step = str(wrong), wrong.next_step
    else:
        if asked.json:
            _tell(verdict.members())
        else:
            sys.stdout.write(report.write(verdict))
        return EXIT_CODES[verdict.outcome]
    sys.stderr.write(f"Nothing was verified: {message}.\n{next_step}\n")
    if asked.json:
        _tell({"kind": "summary", "verdict": "unreadable", "findings": [], "error": message, "next_step": next_step})
    return EXIT_CODES["unreadable"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evidence verify",
        description="Check offline that a package is what was recorded, or name what was altered.",
        epilog="Exit status: 0 verified, 7 broken, 8 incomplete, 2 no package or no trust file.",
    )
    parser.add_argument("package", type=Path, help="the package: a zip, or the folder it was unpacked to")
    parser.add_argument("--trust", type=Path, required=True, metavar="KEYFILE", help="the agency's trust file")
    parser.add_argument("--json", action="store_true", help="one JSON object a line; the last is the summary")
    return parser


def _read_trust(path: Path) -> Trust:
    try:
        with path.open("rb") as file:
            return parse(file.read(LARGEST_FILE + 1))
    except OSError as wrong:
        raise _UnusableTrustError(f"the trust file {path} cannot be read ({wrong.strerror})") from None
    except FormatError as wrong:
        raise _UnusableTrustError(f"the trust file {path} cannot be used: {wrong}") from None


def _tell(event: Event) -> None:
    sys.stdout.write(json.dumps(event, ensure_ascii=True, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _progress(event: Event) -> None:
    if event["kind"] == "progress" and sys.stderr.isatty():
        sys.stderr.write(f"\r{event['done']} of {event['of']} bytes read")
        sys.stderr.flush()


if __name__ == "__main__":
    run()
