"""The one way that every request of every client goes.

Quota, send, learn, sort by status, decode, read; after a fault that may pass: pause,
again.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import orjson

from crm_warehouse.clients.auth import Auth, check_base_url
from crm_warehouse.clients.http_dates import parse_http_date
from crm_warehouse.clients.interface import Gate
from crm_warehouse.clients.rate_limits import read_allowances
from crm_warehouse.clients.statuses import ThrottledError, raise_for_status
from crm_warehouse.clients.transport import Response, Transport
from crm_warehouse.errors import (
    AuthenticationError,
    RequestRefusedError,
    SourceError,
    TransientSourceError,
)
from crm_warehouse.spec import Retry

#: Pauses in a row that a source may ask for ("too many requests") before we give up:
#: generous, since it says itself when to come back, and yet an end.
MAX_THROTTLES = 10

_log = logging.getLogger(__name__)

T = TypeVar("T")

#: From a complete body and its ``Content-Type`` to a value; raises
#: TransientSourceError when the body is not what the source usually sends.
Decoder = Callable[[bytes, str], Any]


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What came of one request, repetitions included.

    Attributes:
        value: The body, read.
        status: HTTP status code.
        observed_at: Aware instant just before the successful request was sent.
        source_time: The answer's ``Date`` as aware UTC, or None.
        requests: Requests sent.
    """

    value: T
    status: int
    observed_at: datetime
    source_time: datetime | None
    requests: int


class RequestPath:
    """Sends requests to one source.

    Args:
        transport: Sends one request.
        gate: Grants quota, tells the time, and waits.
        auth: Credentials for ``base_url``.
        retry: Pauses between repetitions.
        base_url: Address of the source; paths are appended.
        headers: Header fields that every request carries.
        decode: Reads the bodies of this API.

    Attributes:
        sent: Requests sent so far, repetitions and refused ones included.

    Raises:
        ConfigurationError: ``base_url`` is no usable address.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        gate: Gate,
        auth: Auth,
        retry: Retry,
        base_url: str,
        headers: Mapping[str, str],
        decode: Decoder,
    ) -> None:
        check_base_url(base_url)
        self._transport = transport
        self._gate = gate
        self._auth = auth
        self._retry = retry
        self._base_url = base_url.rstrip("/")
        self._headers = headers
        self._decode = decode
        self.sent = 0

    def get(
        self, path: str, params: Mapping[str, str], read: Callable[[Any], T]
    ) -> Answer[T]:
        """Ask until an answer comes that ``read`` accepts.

        Args:
            path: Path under the base address, starting with a slash, quoted.
            params: Query, not yet encoded.
            read: Takes the decoded body; raises TransientSourceError when its shape is
                wrong, which counts like any other fault of the source.

        Raises:
            AuthenticationError: 401 or 403.
            RequestRefusedError: Any other status that a repetition would not change.
            TransientSourceError: All repetitions failed.
            WaitError: Quota, or the pause before a repetition, takes long.
            SourceError: The answer is larger than the cap.
        """

        def send(url: str, headers: Mapping[str, str]) -> Response:
            return self._transport.get(url, params, headers)

        return self._ask(path, send, read, "")

    def post(
        self, path: str, body: Any, read: Callable[[Any], T], *, kind: str = ""
    ) -> Answer[T]:
        """As :meth:`get`, with a question that stands in a JSON body.

        For questions only: it is repeated like any other.

        Args:
            path: As of :meth:`get`.
            body: JSON value.
            read: As of :meth:`get`.
            kind: Kind of request, which quotas of its own may count.
        """
        content = orjson.dumps(body)

        def send(url: str, headers: Mapping[str, str]) -> Response:
            typed = {**headers, "Content-Type": "application/json"}
            return self._transport.post(url, content, typed)

        return self._ask(path, send, read, kind)

    def _ask(
        self,
        path: str,
        send: Callable[[str, Mapping[str, str]], Response],
        read: Callable[[Any], T],
        kind: str,
    ) -> Answer[T]:
        gate, sent = self._gate, 0
        while True:
            gate.take(kind)
            observed_at = gate.now()
            sent += 1
            self.sent += 1
            gate.tally.requests += 1
            try:
                response = send(*self._addressed(path))
                gate.learn(read_allowances(response.headers))
                raise_for_status(path, response, gate.now())
                content_type = response.headers.get("Content-Type", "")
                value = read(self._decode(response.body, content_type))
            except TransientSourceError as fault:
                self._await_repetition(path, fault, kind)
                continue
            except (AuthenticationError, RequestRefusedError):
                self._answered()
                raise
            self._answered()
            return Answer(
                value=value,
                status=response.status,
                observed_at=observed_at,
                source_time=parse_http_date(response.headers.get("Date")),
                requests=sent,
            )

    def _answered(self) -> None:
        self._gate.tally.answered()
        self._gate.answered()

    def _await_repetition(
        self, path: str, fault: TransientSourceError, kind: str
    ) -> None:
        """Wait until the request may be sent again.

        Raises:
            TransientSourceError: Nothing is left to try.
        """
        gate, now = self._gate, self._gate.now()
        throttled = isinstance(fault, ThrottledError)
        gate.tally.failed(now, throttled=throttled)
        if fault.is_up:
            gate.answered()
        elif gate.failed(str(fault)):
            return
        seconds = self._pause_after(path, fault, now)
        reason = f"{path}: {fault} (request {self._in_a_row()})"
        _log.info("%s; asking again in %g s", reason, seconds)
        if throttled:
            gate.hold(seconds, reason, kind)
        gate.pause(seconds, reason)

    def _pause_after(
        self, path: str, fault: TransientSourceError, now: datetime
    ) -> float:
        """Seconds until the repetition: the source's word, else the retry policy's.

        Raises:
            TransientSourceError: Nothing is left to try.
        """
        tally, delays = self._gate.tally, self._retry.delays
        seconds: float | None = None
        if not isinstance(fault, ThrottledError):
            if tally.faults <= len(delays):
                seconds = delays[tally.faults - 1]
        elif tally.throttles <= MAX_THROTTLES:
            seconds = fault.seconds
            if seconds is None and delays:
                seconds = delays[min(tally.throttles, len(delays)) - 1]
        if seconds is None or tally.is_too_long(now + timedelta(seconds=seconds)):
            sent = self._in_a_row()
            asked = "1 request" if sent == 1 else f"{sent} requests"
            lasted = "" if tally.faulted_at == now else f" in {tally.lasted(now)}"
            raise TransientSourceError(
                f"{path}: {fault}; gave up after {asked}{lasted}"
            ) from None
        return seconds

    def _in_a_row(self) -> int:
        """Requests that failed one after the other, the last one included."""
        return self._gate.tally.faults + self._gate.tally.throttles

    def _addressed(self, path: str) -> tuple[str, dict[str, str]]:
        """Address of a path, and the header fields of a request to it."""
        # Without the slash, "@evil" would make the base address a user name.
        if not path.startswith("/"):
            raise SourceError(f"path {path!r} does not start with a slash")
        url = self._base_url + path
        return url, {**self._headers, **self._auth.headers_for(url)}

    def close(self) -> None:
        """Close the connections that were kept open."""
        self._transport.close()
