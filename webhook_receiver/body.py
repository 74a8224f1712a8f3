"""The body of a request, counted while it is read."""

from typing import IO

from gunicorn.http.errors import ParseException

from webhook_receiver.refusals import RefusalError

_PIECE_BYTES = 64 * 1024


def read_body(stream: IO[bytes], announced: int | None, limit: int) -> bytes:
    """All bytes of the body.

    Args:
        stream: The server's own; werkzeug's cuts a chunked body that is too long, and
            its signature would seem forged.
        announced: Content-Length, or None for a chunked body.
        limit: Most bytes to take.

    Raises:
        RefusalError: It is too large, empty, malformed, or ends early.
    """
    if announced is not None and announced > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        while piece := stream.read(_PIECE_BYTES):
            body += piece
            if len(body) > limit:
                raise _too_large(limit)
    except OSError:
        raise _incomplete() from None
    except ParseException:
        raise RefusalError(
            400, "BODY_MALFORMED", "Chunks that cannot be read"
        ) from None
    if announced is not None and len(body) < announced:
        raise _incomplete()
    if not body:
        raise RefusalError(400, "BODY_EMPTY", "The request has no body")
    return bytes(body)


def _too_large(limit: int) -> RefusalError:
    return RefusalError(
        413, "BODY_TOO_LARGE", f"The body may have {limit} bytes at most"
    )


def _incomplete() -> RefusalError:
    return RefusalError(
        400, "BODY_INCOMPLETE", "The body ended before its announced length"
    )
