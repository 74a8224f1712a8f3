"""What the receiver did, added up over all its processes, for Prometheus.

Nothing here names a person or an address. All that can be counted is known before: so
each process has a row of numbers of fixed size in memory that all share.
"""

import logging
import threading
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import accumulate
from itertools import count as numbered
from typing import ParamSpec

from flask import Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from webhook_receiver.seldom import Seldom
from webhook_receiver.shared_numbers import shared_numbers
from webhook_receiver.verifiers import VERIFIERS

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")

#: Of what has no source: unknown paths, and what is no request.
_NO_SOURCE = "-"
#: All answers to a delivery.
ANSWERS = (
    (200, "-"),
    (400, "BAD_REQUEST"),
    (400, "BODY_EMPTY"),
    (400, "BODY_INCOMPLETE"),
    (400, "BODY_MALFORMED"),
    (401, "SIGNATURE_INVALID"),
    (401, "SIGNATURE_MALFORMED"),
    (401, "SIGNATURE_MISSING"),
    (403, "ADDRESS_NOT_ALLOWED"),
    (404, "NOT_FOUND"),
    (405, "METHOD_NOT_ALLOWED"),
    (413, "BODY_TOO_LARGE"),
    (414, "URI_TOO_LONG"),
    (415, "CONTENT_ENCODING_NOT_TAKEN"),
    (415, "CONTENT_TYPE_NOT_TAKEN"),
    (431, "REQUEST_HEADER_FIELDS_TOO_LARGE"),
    (500, "INTERNAL_SERVER_ERROR"),
    (503, "INBOX_UNAVAILABLE"),
    (503, "INTERNAL_ERROR"),
    (503, "NOT_CONFIGURED"),
    (503, "OVERLOADED"),
    (503, "RATE_LIMITED"),
    (503, "SIGNATURE_EXPIRED"),
    (503, "TOO_MANY_FAILURES"),
)
#: Stands for answers that are missing above.
_OTHER = (0, "OTHER")
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
#: Workers that live at once. During a reload those to come and those to go do.
ROWS = 64


class Counts(Collector):
    """The counts of a machine's receiver.

    Made before the workers are forked, which then share them. A row is one worker's:
    nobody else changes it. The next one goes on with it, so that deaths lose nothing.

    Args:
        sources: All there can be.
    """

    def __init__(self, sources: Iterable[str]) -> None:
        sources, columns = list(sources), numbered()
        self._answers = {
            (source, *answer): next(columns)
            for source in (*sources, _NO_SOURCE)
            for answer in (*ANSWERS, _OTHER)
        }
        # One more for what took longer than all bounds.
        self._seconds = {
            source: [next(columns) for _ in range(len(_BOUNDS) + 1)]
            for source in sources
        }
        self._sum_of_seconds = {source: next(columns) for source in sources}
        self._body_bytes = {source: next(columns) for source in sources}
        self._no_room = {source: next(columns) for source in sources}
        self._sessions = next(columns)
        self._width = next(columns)
        self._numbers = shared_numbers(ROWS * self._width)
        self._row = 0
        self._lock = threading.Lock()

    def begin(self, taken: Collection[int]) -> int:
        """Give a row to the worker that is forked next.

        Args:
            taken: Rows of those that live.
        """
        free = (row for row in range(ROWS) if row not in taken)
        # Beyond all rows two would lose some of each other's counts, and no more.
        self._row = next(free, ROWS - 1)
        return self._row

    def end(self, row: int) -> None:
        """Forget what a worker that ended had in its hands; what it counted stays."""
        self._numbers[row * self._width + self._sessions] = 0.0

    def answer(self, source: str, status: int, code: str) -> None:
        """Count an answer."""
        other = self._answers[source, *_OTHER]
        self._add(self._answers.get((source, status, code), other), 1)

    def seconds(self, source: str, seconds: float) -> None:
        """Count how long an answer took."""
        self._add(self._seconds[source][bisect_left(_BOUNDS, seconds)], 1)
        self._add(self._sum_of_seconds[source], seconds)

    def body_bytes(self, source: str, count: int) -> None:
        """Count bytes that were stored."""
        self._add(self._body_bytes[source], count)

    def no_room(self, source: str) -> None:
        """Count a delivery that found no free session."""
        self._add(self._no_room[source], 1)

    def sessions(self, more: int) -> None:
        """Count a session that is taken (1), or given back (-1)."""
        self._add(self._sessions, more)

    def _add(self, column: int, amount: float) -> None:
        at = self._row * self._width + column
        with self._lock:
            self._numbers[at] += amount

    def _of_all(self, column: int) -> float:
        return sum(self._numbers[row * self._width + column] for row in range(ROWS))

    def describe(self) -> Iterable[Metric]:
        """Nothing: to be registered is no reason to add up."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """All of it; what never happened is not told."""
        answers = CounterMetricFamily(
            "crm_webhook_answers",
            "Answers by source, status and code of the error",
            labels=("source", "status", "code"),
        )
        for (source, status, code), column in self._answers.items():
            if number := self._of_all(column):
                answers.add_metric((source, str(status), code), number)
        told = (
            answers,
            self._histogram(),
            self._counter(
                "body_bytes",
                "Bytes of stored deliveries, before compression",
                self._body_bytes,
            ),
            self._counter(
                "no_room",
                "Proven deliveries that found no free session, by source",
                self._no_room,
            ),
            GaugeMetricFamily(
                "crm_webhook_sessions_in_use",
                "Sessions of the database that store or look just now",
                self._of_all(self._sessions),
            ),
        )
        return [metric for metric in told if metric.samples]

    def _counter(self, name: str, text: str, columns: dict[str, int]) -> Metric:
        metric = CounterMetricFamily(f"crm_webhook_{name}", text, labels=("source",))
        for source, column in columns.items():
            if number := self._of_all(column):
                metric.add_metric((source,), number)
        return metric

    def _histogram(self) -> Metric:
        metric = HistogramMetricFamily(
            "crm_webhook_seconds",
            "Seconds from the head of a delivery to its answer",
            labels=("source",),
        )
        bounds = (*map(str, _BOUNDS), "+Inf")
        for source, columns in self._seconds.items():
            counts = list(accumulate(map(self._of_all, columns)))
            if counts[-1]:
                total = self._of_all(self._sum_of_seconds[source])
                buckets = list(zip(bounds, counts, strict=True))
                metric.add_metric((source,), buckets, total)
        return metric


#: Those of this machine: made when gunicorn's main process imports this module, before
#: it forks its workers.
COUNTS = Counts(VERIFIERS)

_faults = Seldom()


def _harmless(function: Callable[_P, None]) -> Callable[_P, None]:
    """A fault in counting is told, and decides nothing: the answer is right without."""

    @wraps(function)
    def counted(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001
            if times := _faults.happened():
                kind = type(error).__name__
                logger.error("not counted: %s, %d times", kind, times)  # noqa: TRY400

    return counted


@_harmless
def count(source: str | None, status: int, code: str, seconds: float) -> None:
    """Count an answer to a delivery; one without a source was to an unknown path."""
    COUNTS.answer(source or _NO_SOURCE, status, code)
    if source:
        COUNTS.seconds(source, seconds)


@_harmless
def count_no_request(status: int, code: str) -> None:
    """Count an answer to what could not be read as a request."""
    COUNTS.answer(_NO_SOURCE, status, code)


@_harmless
def count_stored(source: str, body_bytes: int) -> None:
    """Count a delivery that was stored."""
    COUNTS.body_bytes(source, body_bytes)


@_harmless
def count_not_stored(source: str, why: str) -> None:
    """Count a proven delivery that was not stored, when it was for lack of room."""
    if why in ("PoolTimeout", "TooManyRequests"):
        COUNTS.no_room(source)


@contextmanager
def session_in_use() -> Iterator[None]:
    """While a session of the database works."""
    _count_sessions(1)
    try:
        yield
    finally:
        _count_sessions(-1)


@_harmless
def _count_sessions(more: int) -> None:
    COUNTS.sessions(more)


def exposed(*more: Collector) -> Response:
    """All that was counted, and what these say, in the text format 0.0.4."""
    registry = CollectorRegistry()
    for collector in (COUNTS, *more):
        registry.register(collector)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
