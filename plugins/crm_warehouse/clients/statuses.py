"""What each HTTP status means for what to do next."""

from datetime import datetime

from crm_warehouse.clients.http_dates import retry_after_seconds
from crm_warehouse.clients.transport import Response
from crm_warehouse.errors import (
    AuthenticationError,
    RequestRefusedError,
    TransientSourceError,
)

#: Besides 5xx. 477 is HubSpot's "this account is being moved".
_PASSING_STATUSES = frozenset({408, 423, 425, 429, 477})
#: The source may name the pause in these.
_THROTTLING_STATUSES = frozenset({429, 477, 503})
#: HubSpot's word for the limit of a day, in a refusal that names no pause. The day is
#: the account's, in a zone that the refusal does not tell: so ask again each hour.
_DAILY_LIMIT = b'"DAILY"'
_DAILY_PAUSE_SECONDS = 3_600.0


class ThrottledError(TransientSourceError):
    """We are too fast, or the source names the pause itself.

    Args:
        message: What the source said.
        seconds: The pause it asks for, or None.
        is_up: As of :class:`TransientSourceError`.
    """

    def __init__(self, message: str, seconds: float | None, *, is_up: bool) -> None:
        super().__init__(message, is_up=is_up)
        self.seconds = seconds


def raise_for_status(path: str, response: Response, now: datetime) -> None:
    """Raise what the status stands for; nothing when it is a success.

    Args:
        path: Path without query, for the message.
        response: The answer.
        now: Our time, against which a ``Retry-After`` date may be measured.

    Raises:
        AuthenticationError: 401 and 403.
        RequestRefusedError: Redirects and whatever a repetition would not change.
        ThrottledError: The source wants a pause.
        TransientSourceError: Any other fault that may pass.
    """
    status = response.status
    if 200 <= status < 300:
        return
    if status in (401, 403):
        raise AuthenticationError(
            f"{path}: the source refuses our credentials (status {status}): check the "
            f"connection's password and what it may read"
        )
    if status not in _PASSING_STATUSES and not 500 <= status < 600:
        hint = ": check the connection's host" if 300 <= status < 400 else ""
        raise RequestRefusedError(
            f"{path}: the source refuses the request (status {status}){hint}", status
        )
    seconds = None
    if status in _THROTTLING_STATUSES:
        seconds = retry_after_seconds(response.headers, now)
    if status == 429 and seconds is None and _DAILY_LIMIT in response.body:
        seconds = _DAILY_PAUSE_SECONDS
    if status == 429 or seconds is not None:
        raise ThrottledError(
            f"status {status}, the source wants a pause", seconds, is_up=status < 500
        )
    raise TransientSourceError(f"status {status}", is_up=status < 500)
