"""python -m evidence.verify PACKAGE --trust KEYFILE [--receipt FILE]... [--history] [--json]."""

import argparse
import json
import sys
from pathlib import Path
from typing import NoReturn

from evidence.proof import FormatError, note, receipt
from evidence.proof.note import LARGEST_NOTE
from evidence.proof.trust import LARGEST_FILE, Trust, parse
from evidence.verify import Event, UnreadableError, report, verify
from evidence.verify.words import plain

EXIT_CODES = {"verified": 0, "unreadable": 2, "broken": 7, "incomplete": 8}


_NEXT_TRUST = "Ask the agency, another way than by the package, for its trust file."
_NEXT_RECEIPT = "Check the name of the receipt; give it as it was received."

_RECEIPT = receipt.VERSION.encode()
"""How a receipt begins; a file that begins so is judged as one, whatever became of the rest."""

_MEANINGS = """\
exit status:
  0  verified: everything that is signed is as it was recorded
  2  nothing was verified: there is no package or no trust file, or --receipt names what is no receipt
  7  broken: something is altered or missing, or the trust file is another installation's
  8  incomplete: nothing wrong was found, but a part that is required is still to come

--receipt takes a receipt that somebody else kept, for example the sender.  It proves a record that was dropped
from the package even if whoever dropped it signed the package anew.
"""


class _UnusableError(Exception):
    """A file beside the package cannot be used. `next_step` says what to do."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step


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
        receipts = [_read_receipt(path) for path in asked.receipt]
        tell = _tell if asked.json else _progress
        verdict = verify(asked.package, trust, tell=tell, receipts=receipts, histories=asked.history)
    except (_UnusableError, UnreadableError) as wrong:
        message, next_step = str(wrong), wrong.next_step
    except Exception as wrong:  # noqa: BLE001 - the last boundary
        # A court must read that nothing was verified, not the insides of a program.
        message = f"the verifier failed at this package ({type(wrong).__name__}: {wrong})"
        next_step = "This is a fault of the verifier. Report it, with the package if you may."
    else:
        if asked.json:
            _tell(verdict.members())
        else:
            sys.stdout.writelines(f"{line}\n" for line in report.lines(verdict))
        return EXIT_CODES[verdict.outcome]
    sys.stderr.write(f"Nothing was verified: {plain(message)}.\n{next_step}\n")
    if asked.json:
        _tell({"kind": "summary", "verdict": "unreadable", "findings": [], "error": message, "next_step": next_step})
    return EXIT_CODES["unreadable"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evidence verify",
        description="Check offline that a package is what was recorded, or name what was altered.",
        epilog=_MEANINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("package", type=Path, help="the package: a zip, or the folder it was unpacked to")
    parser.add_argument("--trust", type=Path, required=True, metavar="KEYFILE", help="the agency's trust file")
    parser.add_argument(
        "--receipt",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a receipt that somebody else kept; may be given several times",
    )
    parser.add_argument(
        "--history", action="store_true", help="tell all that every record of every item says, in words"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line; the last is the summary")
    return parser


def _read_trust(path: Path) -> Trust:
    try:
        with path.open("rb") as file:
            return parse(file.read(LARGEST_FILE + 1))
    except OSError as wrong:
        raise _UnusableError(f"the trust file {path} cannot be read ({wrong.strerror})", _NEXT_TRUST) from None
    except FormatError as wrong:
        raise _UnusableError(f"the trust file {path} cannot be used: {wrong}", _NEXT_TRUST) from None


def _read_receipt(path: Path) -> tuple[str, bytes]:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_NOTE + 1)
    except OSError as wrong:
        raise _UnusableError(f"the receipt {path} cannot be read ({wrong.strerror})", _NEXT_RECEIPT) from None
    try:
        if not raw.startswith(_RECEIPT):
            note.parse_bytes(raw)
    except FormatError as wrong:
        raise _UnusableError(f"the file {path} is no receipt: {wrong}", _NEXT_RECEIPT) from None
    return path.name, raw


def _tell(event: Event) -> None:
    sys.stdout.write(json.dumps(event, ensure_ascii=True, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _progress(event: Event) -> None:
    if event["kind"] == "progress" and sys.stderr.isatty():
        sys.stderr.write(f"\r{event['done']} of {event['of']} bytes read")
        sys.stderr.flush()


if __name__ == "__main__":
    run()
