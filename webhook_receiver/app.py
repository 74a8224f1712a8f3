"""The receiver as a Flask application."""

import logging
import time

from flask import Flask, Response, g
from flask.globals import request_ctx
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from webhook_receiver.inbox import Inbox
from webhook_receiver.metrics import count
from webhook_receiver.refusals import RefusalError, fault_of_ours, request_id
from webhook_receiver.routes import blueprint
from webhook_receiver.settings import Settings

logger = logging.getLogger(__name__)

#: Others are words of the caller's.
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


def create_app(settings: Settings) -> Flask:
    """The application; it begins to connect to the database at once.

    Args:
        settings: Which database, and who may post.
    """
    inbox = Inbox(settings)
    inbox.open()
    app = Flask(__name__, static_folder=None)
    # Of a doubled slash it would make a redirect, to a URL that nobody signed.
    app.url_map.merge_slashes = False
    app.register_blueprint(blueprint(settings, inbox))
    app.before_request(_begin)
    app.after_request(_end)
    app.register_error_handler(RefusalError, RefusalError.response)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _defect)
    return app


def _begin() -> None:
    g.began = time.monotonic()


def _end(response: Response) -> Response:
    """Name the request in the answer, and log it: no headers, no query, no body."""
    # `request` itself looks for the request at hand whenever it is named.
    asked, name, status = request_ctx.request, request_id(), response.status_code
    response.headers["X-Request-Id"] = name
    seconds, code = time.monotonic() - g.began, g.get("code", "-")
    source = (asked.view_args or {}).get("source")
    # Looks at the receiver itself (GET) are no deliveries.
    if source or not asked.endpoint:
        count(source, status, code, seconds)
    logger.info(
        "%s %s %s %s %.1f ms %s",
        asked.method if asked.method in _METHODS else "(unknown method)",
        # Foreign paths can hold anything, and would be as long as they like.
        asked.path if status != 404 else "(unknown path)",
        status,
        code,
        seconds * 1000,
        name,
        extra={
            "source": source or "-",
            "status": status,
            "code": code,
            "request_id": name,
            "milliseconds": round(seconds * 1000, 1),
        },
    )
    return response


def _http_error(error: HTTPException) -> Response:
    """Flask's own errors, such as 404 and 405, in our shape."""
    status = error.code or 500
    code = error.name.upper().replace(" ", "_")
    response = RefusalError(status, code, error.name).response()
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.valid_methods or ())
    return response


def _defect(error: Exception) -> Response:
    """A mistake of ours. Its text may show data: only its kind and place are logged."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    logger.error("%s at %s", type(error).__name__, place)
    return fault_of_ours("INTERNAL_ERROR", "A defect here; send again").response()
