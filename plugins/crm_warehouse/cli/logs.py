"""Messages on standard error: text for people, JSON lines for machines."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

logger = logging.getLogger("crm_warehouse")


class _Context:
    """What every message says besides itself."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.json = False


_context = _Context()


def configure(level: str, shape: str) -> None:
    """Send the package's messages to standard error.

    Args:
        level: Least level that shows, e.g. ``info``.
        shape: ``text`` or ``json``.
    """
    _context.values = {}
    _context.json = shape == "json"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if _context.json else _TextFormatter())
    logger.handlers = [handler]
    logger.setLevel(level.upper())


def add_context(**values: Any) -> None:
    """Say this with every message from now on, e.g. ``source_system``, ``job_id``."""
    _context.values |= values


def on_terminal() -> bool:
    """Whether a person watches standard error, and no machine reads it."""
    return sys.stderr.isatty() and not _context.json


def complain(line: str) -> None:
    """An error for the person at the terminal, or for the log."""
    if _context.json:
        logger.error(line)
    else:
        print(f"error: {line}", file=sys.stderr)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        where = " ".join(f"{key}={value}" for key, value in _context.values.items())
        parts = (_time(record), record.levelname, where, record.getMessage())
        return " ".join(part for part in parts if part)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        value = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            **_context.values,
            "message": record.getMessage(),
        }
        if record.exc_info:
            value["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps(value)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
