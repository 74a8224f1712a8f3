"""The one way that every request of every client goes.

Quota, send, learn, sort by status, decode, read; after a fault that may pass: pause,
again.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import orjson

from crm_warehouse.clients.auth import Auth, check_base_url
from crm_warehouse.clients.http_dates import parse_http_date
from crm_warehouse.clients.interface import Gate
from crm_warehouse.clients.rate_limits import read_allowances
from crm_warehouse.clients.statuses import ThrottledError, raise_for_status
from crm_warehouse.clients.tally import Streak
from crm_warehouse.clients.transport import Query, Response, Transport
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
#: Pause after the last request of a day that ends nobody knows when.
UNKNOWN_DAY_SECONDS = 3_600.0

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
    """Sends requests to one source, also for several threads at once.

    Args:
        transport: Sends one request.
        gate: Grants quota, tells the time, and waits.
        auth: Credentials for ``base_url``.
        retry: Pauses between repetitions.
        base_url: Address of the source; paths are appended.
        headers: Header fields that every request carries.
        decode: Reads the bodies of this API.
        passing: Statuses of refusals that this source sends in passing, too.

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
        passing: Collection[int] = (),
    ) -> None:
        check_base_url(base_url)
        self._transport = transport
        self._gate = gate
        self._auth = auth
        self._retry = retry
        self._base_url = base_url.rstrip("/")
        self._headers = headers
        self._decode = decode
        self._passing = passing
        self._of_thread = threading.local()
        self._lock = threading.Lock()
        self._failed_at = datetime.min.replace(tzinfo=UTC)

    @property
    def base_url(self) -> str:
        """Address of the source, without a slash at its end."""
        return self._base_url

    @property
    def sent(self) -> int:
        """Requests that this thread sent so far, repetitions and refused ones too."""
        return getattr(self._of_thread, "sent", 0)

    def get(self, path: str, params: Query, read: Callable[[Any], T]) -> Answer[T]:
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
        return self.get_whole(path, params, lambda decoded, _: read(decoded))

    def get_whole(
        self,
        path: str,
        params: Query,
        read: Callable[[Any, Mapping[str, str]], T],
    ) -> Answer[T]:
        """As :meth:`get`, with a ``read`` that is also given the header fields."""

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

        return self._ask(path, send, lambda decoded, _: read(decoded), kind)

    def _ask(
        self,
        path: str,
        send: Callable[[str, Mapping[str, str]], Response],
        read: Callable[[Any, Mapping[str, str]], T],
        kind: str,
    ) -> Answer[T]:
        gate, sent, refusals = self._gate, 0, 0
        headers: dict[str, str] = {}
        streak = gate.tally.begin()
        while True:
            self._renew_token()
            gate.take(kind)
            observed_at = gate.now()
            try:
                url, headers = self._addressed(path)
                sent += 1
                self._of_thread.sent = self.sent + 1
                gate.tally.sent()
                response = send(url, headers)
                source_time = parse_http_date(response.headers.get("Date"))
                if source_time is not None:
                    self._auth.heard(source_time)
                gate.learn(read_allowances(response.headers))
                raise_for_status(path, response, gate.now())
                content_type = response.headers.get("Content-Type", "")
                decoded = self._decode(response.body, content_type)
                value = read(decoded, response.headers)
            except TransientSourceError as fault:
                self._await_repetition(path, fault, kind, streak, observed_at)
                continue
            except AuthenticationError as refusal:
                self._answered()
                refusals += 1
                # Other credentials: those of OAuth end by themselves.
                if refusal.status != 401 or not self._auth.renew(headers, refusals):
                    raise
                gate.tally.repeated()
                continue
            except RequestRefusedError as refusal:
                if refusal.status in self._passing:
                    self._await_second_thought(refusal, path, kind, streak, observed_at)
                    continue
                self._answered()
                raise
            self._answered()
            return Answer(
                value=value,
                status=response.status,
                observed_at=observed_at,
                source_time=source_time,
                requests=sent,
            )

    def _renew_token(self) -> None:
        """Renew a token whose time has come: what is granted must be sent at once.

        One that cannot be renewed just now is asked for again behind the gate, which
        knows whether anybody may ask.
        """
        with contextlib.suppress(TransientSourceError):
            self._auth.ready()

    def _answered(self) -> None:
        self._gate.tally.answered()
        self._gate.answered()

    def _await_repetition(
        self,
        path: str,
        fault: TransientSourceError,
        kind: str,
        streak: Streak,
        sent_at: datetime,
    ) -> None:
        """Wait until the request may be sent again; others in flight go on.

        Raises:
            TransientSourceError: Nothing is left to try.
        """
        gate, now = self._gate, self._gate.now()
        if isinstance(fault, ThrottledError) and fault.daily:
            self._await_tomorrow(path, fault, streak, now)
            return
        throttled = isinstance(fault, ThrottledError)
        gate.tally.failed(streak, now, throttled=throttled)
        if fault.is_up:
            gate.answered()
        elif self._is_news(sent_at, now) and gate.failed(str(fault)):
            return
        seconds = self._pause_after(path, fault, now, streak)
        reason = f"{path}: {fault} (request {len(streak)})"
        _log.info("%s; asking again in %g s", reason, seconds)
        if throttled:
            gate.hold(seconds, reason, kind)
        gate.pause(seconds, reason)

    def _await_second_thought(
        self,
        refusal: RequestRefusedError,
        path: str,
        kind: str,
        streak: Streak,
        sent_at: datetime,
    ) -> None:
        """Wait until a request may be sent again that was perhaps refused in passing.

        Raises:
            RequestRefusedError: It was refused each time.
        """
        fault = TransientSourceError(f"status {refusal.status}", is_up=True)
        try:
            self._await_repetition(path, fault, kind, streak, sent_at)
        except TransientSourceError as given_up:
            raise RequestRefusedError(
                f"{refusal}; {given_up}", refusal.status
            ) from None

    def _is_news(self, sent_at: datetime, now: datetime) -> bool:
        """Whether a failure is another than the latest that was told.

        What was in flight when the source failed fails with it: that is one failure,
        or a moment's trouble would count as many in a row.
        """
        with self._lock:
            is_news = sent_at >= self._failed_at
            if is_news:
                self._failed_at = now
            return is_news

    def _await_tomorrow(
        self, path: str, fault: ThrottledError, streak: Streak, now: datetime
    ) -> None:
        """Wait until the account may be asked again, after its last request of a day.

        That is no fault: a day without an answer does not make us give up.

        Raises:
            WaitError: This takes longer than a task may hold its slot.
            TransientSourceError: Day after day nothing is answered.
        """
        gate = self._gate
        gate.answered()
        end = gate.seconds_of_day_left()
        if end is None:
            gate.tally.failed(streak, now, throttled=True)
            seconds = fault.seconds or UNKNOWN_DAY_SECONDS
        else:
            gate.tally.used_up(streak)
            seconds = max(end, fault.seconds or 0.0)
        if streak.throttles > MAX_THROTTLES:
            raise self._given_up(path, fault, now, streak)
        reason = f"{path}: {fault}"
        _log.info("%s; asking again in %g s", reason, seconds)
        gate.hold(seconds, reason)
        gate.pause(seconds, reason)

    def _pause_after(
        self, path: str, fault: TransientSourceError, now: datetime, streak: Streak
    ) -> float:
        """Seconds until the repetition: the source's word, else the retry policy's.

        Raises:
            TransientSourceError: Nothing is left to try.
        """
        tally, delays = self._gate.tally, self._retry.delays
        seconds: float | None = None
        if not isinstance(fault, ThrottledError):
            if streak.faults <= len(delays):
                seconds = max(delays[streak.faults - 1], fault.least_seconds)
        elif streak.throttles <= MAX_THROTTLES:
            seconds = fault.seconds
            if seconds is None and delays:
                seconds = delays[min(streak.throttles, len(delays)) - 1]
        if seconds is None or tally.is_too_long(now + timedelta(seconds=seconds)):
            raise self._given_up(path, fault, now, streak) from None
        return seconds

    def _given_up(
        self, path: str, fault: TransientSourceError, now: datetime, streak: Streak
    ) -> TransientSourceError:
        tally = self._gate.tally
        asked = "1 request" if len(streak) == 1 else f"{len(streak)} requests"
        is_first = tally.faulted_at in (None, now)
        lasted = "" if is_first else f" in {tally.lasted(now)}"
        return TransientSourceError(f"{path}: {fault}; gave up after {asked}{lasted}")

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
        self._auth.close()
