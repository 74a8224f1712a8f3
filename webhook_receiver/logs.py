"""Lines on standard error: text for people, JSON for machines.

``CRM_WAREHOUSE_LOG_FORMAT`` chooses: ``text``, unless set, or ``json``. The command
line's JSON has the same keys.
"""

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

from gunicorn import glogging

FORMAT_VARIABLE = "CRM_WAREHOUSE_LOG_FORMAT"
#: What a line about a request says besides its message.
_OF_REQUESTS = ("source", "status", "code", "request_id", "milliseconds")


class JsonFormatter(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record; of an error kind and place, for its text may show data."""
        moment = datetime.fromtimestamp(record.created, UTC)
        value: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        value |= {
            name: getattr(record, name)
            for name in _OF_REQUESTS
            if hasattr(record, name)
        }
        if record.exc_info and record.exc_info[0]:
            value["error"] = record.exc_info[0].__name__
            value["traceback"] = "".join(traceback.format_tb(record.exc_info[2]))
        return json.dumps(value)


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's logger, whose lines go the way of ours."""

    def setup(self, cfg: Any) -> None:
        """Choose the format, at the start and whenever settings are read anew.

        Raises:
            RuntimeError: There is no such format; gunicorn ends with this text.
        """
        super().setup(cfg)
        _look_up_less()
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_formatter(os.environ.get(FORMAT_VARIABLE) or "text"))
        logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
        # Four lines a delivery, of no interest, that take longer than to store it.
        logging.getLogger("psycopg.pool").setLevel(logging.WARNING)

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """An error with its place, but of a caller who fell silent."""
        if isinstance(sys.exc_info()[1], BlockingIOError):
            self.info("a caller fell silent before the end of the request's head")
        else:
            super().exception(msg, *args, **kwargs)


def _look_up_less() -> None:
    """Spare each line what no format shows.

    In the ways of https://docs.python.org/3/howto/logging.html#optimization.
    """
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _formatter(shape: str) -> logging.Formatter:
    if shape == "json":
        return JsonFormatter()
    if shape == "text":
        return logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    raise RuntimeError(f"{FORMAT_VARIABLE} must be text or json")
