"""Answers other than 200, all of one shape."""

import random
import re
from datetime import UTC, datetime
from typing import Any

from flask import Response, g, jsonify, request

#: When to come again after a fault of ours.
RETRY_AFTER_SECONDS = 10

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RefusalError(Exception):
    """The request gets an error answer.

    Args:
        status: HTTP status code.
        code: What went wrong, for programs.
        message: What went wrong, for people; nothing that helps to forge.
        retry_after_seconds: When asking again makes sense; for faults of ours.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds

    def response(self) -> Response:
        """The answer, for the request at hand."""
        g.code = self.code
        answer = jsonify(error_body(self.code, self.message, request_id()))
        answer.status_code = self.status
        if self.retry_after_seconds is not None:
            answer.headers["Retry-After"] = str(self.retry_after_seconds)
        return answer


def fault_of_ours(
    code: str, message: str, retry_after_seconds: int = RETRY_AFTER_SECONDS
) -> RefusalError:
    """A refusal that asks to come again: nothing may be lost by a fault of ours."""
    return RefusalError(503, code, message, retry_after_seconds=retry_after_seconds)


def error_body(code: str, message: str, request_id: str) -> dict[str, Any]:
    """The one shape of every error."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "error": {
            "code": code,
            "message": message,
            "details": {},
            "timestamp": now.replace("+00:00", "Z"),
            "request_id": request_id,
        }
    }


def new_request_id() -> str:
    """A name for a request that brought none; no secret."""
    # The system's own randomness lets go of the interpreter, which others then take.
    return f"req_{random.getrandbits(128):032x}"


def request_id() -> str:
    """Name of the request at hand: the caller's when it is harmless, else ours."""
    name: str | None = g.get("request_id")
    if name is None:
        given = request.environ.get("HTTP_X_REQUEST_ID", "")
        name = g.request_id = given if _SANE_ID.fullmatch(given) else new_request_id()
    return name
