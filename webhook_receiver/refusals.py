"""Answers other than 200, all of one shape."""

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from flask import Response, g, jsonify, request

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


def fault_of_ours(code: str, message: str) -> RefusalError:
    """A refusal that asks to come again: nothing may be lost by a fault of ours."""
    return RefusalError(503, code, message, retry_after_seconds=10)


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
    """A name for a request that brought none."""
    return f"req_{uuid.uuid4().hex}"


def request_id() -> str:
    """Name of the request at hand: the caller's when it is harmless, else ours."""
    if "request_id" not in g:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _SANE_ID.fullmatch(given) else new_request_id()
    name: str = g.request_id
    return name
