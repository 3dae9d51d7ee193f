"""The log of a server or worker: one JSON object a line on stderr, ids only.

An exception is named by its kind and place; its text is left out, for it may hold what must not
be in a log.  EVIDENCE_DEBUG=1 adds the text.
"""

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Any


def configure() -> None:
    """Send everything that is logged in this process to stderr."""
    import structlog

    ours = logging.StreamHandler(sys.stderr)
    ours.setFormatter(_OneLine())
    logging.basicConfig(level=logging.WARNING, handlers=[ours], force=True)

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _name_exception,
            structlog.processors.JSONRenderer(),
        ],
        # Asked for at each line, not kept: stderr may be another by then.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


class _OneLine(logging.Formatter):
    """Writes what libraries log as we write our own: one JSON object a line, an exception by its name."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told = record.exc_info
        error = told[1] if told else None
        said = record.getMessage()
        if error is not None and str(error):
            said = said.replace(str(error), type(error).__name__)  # some put its text into their own
        event: dict[str, Any] = {
            "event": said.split("\n", 1)[0],
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "logger": record.name,
        }
        return json.dumps(_name_exception(None, "", event | ({"exc_info": error} if error else {})))


def _name_exception(_logger: Any, _method: str, event: Any) -> Any:
    told = event.pop("exc_info", None)
    error = told if isinstance(told, BaseException) else sys.exc_info()[1] if told else None
    if error is not None:
        event["exception"] = type(error).__name__
        event["at"] = [f"{each.filename}:{each.lineno}" for each in traceback.extract_tb(error.__traceback__)[-5:]]
        if os.environ.get("EVIDENCE_DEBUG"):
            event["traceback"] = "".join(traceback.format_exception(error))
    return event
