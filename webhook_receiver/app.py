"""The receiver as a Flask application."""

import logging
import time

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from webhook_receiver.inbox import Inbox
from webhook_receiver.refusals import RefusalError, request_id
from webhook_receiver.routes import blueprint
from webhook_receiver.settings import Settings

logger = logging.getLogger(__name__)


def create_app(settings: Settings) -> Flask:
    """The application; it begins to connect to the database at once.

    Args:
        settings: Which database, and who may post.
    """
    inbox = Inbox(settings)
    inbox.open()
    app = Flask(__name__, static_folder=None)
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
    response.headers["X-Request-Id"] = request_id()
    logger.info(
        "%s %s %s %s %.1f ms %s",
        request.method,
        # Foreign paths can hold anything, and would be as long as they like.
        request.path if response.status_code != 404 else "(unknown path)",
        response.status_code,
        g.get("code", "-"),
        (time.monotonic() - g.began) * 1000,
        request_id(),
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
    return RefusalError(500, "INTERNAL_SERVER_ERROR", "Internal error").response()
