"""gunicorn's thread worker, whose own refusals look and are logged like ours."""

import json
import logging
from typing import Any

from gunicorn import util
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import ThreadWorker

from webhook_receiver.refusals import error_body, new_request_id

logger = logging.getLogger(__name__)

_ANSWERS = {
    LimitRequestLine: (414, "URI Too Long", "URI_TOO_LONG"),
    LimitRequestHeaders: (
        431,
        "Request Header Fields Too Large",
        "REQUEST_HEADER_FIELDS_TOO_LARGE",
    ),
}
_MALFORMED = (400, "Bad Request", "BAD_REQUEST")
_DEFECT = (500, "Internal Server Error", "INTERNAL_SERVER_ERROR")


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Answers what is no HTTP request in the shape of all errors."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer for an exception outside the application.

        gunicorn's own shows parts of the request, in the answer and in the log.
        """
        del req, addr
        known = _MALFORMED if isinstance(exc, ParseException) else _DEFECT
        status, reason, code = _ANSWERS.get(type(exc), known)
        name = new_request_id()
        logger.warning("%s %s %s %s", status, code, type(exc).__name__, name)
        body = json.dumps(error_body(code, reason, name))
        head = (
            f"HTTP/1.1 {status} {reason}\r\n"
            "Connection: close\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"X-Request-Id: {name}\r\n\r\n"
        )
        try:
            util.write_nonblock(client, (head + body).encode())
        except OSError:
            logger.info("%s went before its answer", name)
