"""How much waits in the inbox, for Prometheus; looked at seldom."""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg.rows import dict_row

from webhook_receiver.session import SESSION_OPTIONS, Session
from webhook_receiver.statements import statement

logger = logging.getLogger(__name__)

#: A look serves all who ask within this time.
_FRESH_SECONDS = 5.0
_STATEMENT_MS = 1000
#: Counts end here: a million index entries would be read for a number that is only ever
#: compared with a smaller one.
_MOST = 10_000
_HELP = {
    "pending": f"Waiting deliveries and events by source; {_MOST} stands for more",
    "failed": f"Deliveries and events that cannot be used; {_MOST} stands for more",
    "oldest_pending_seconds": "Age of the oldest one that waits, since it was received",
}


class Backlog(Collector):
    """The state of the inbox as metrics.

    Args:
        conninfo: libpq connection string of the warehouse.
        sources: Those that are told.
    """

    def __init__(self, conninfo: str, sources: Iterable[str]) -> None:
        self._conninfo = conninfo
        self._sources = list(sources)
        self._lock = threading.Lock()
        self._rows: Sequence[dict[str, Any]] | None = None
        self._looked_at = -_FRESH_SECONDS

    def describe(self) -> Iterable[Metric]:
        """Nothing: to be registered is no reason to look."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The latest look, or a new one; without an answer only that there is none."""
        rows = self._latest()
        yield GaugeMetricFamily(
            "crm_webhook_inbox_up", "Whether the inbox answers", int(rows is not None)
        )
        for name, text in _HELP.items():
            metric = GaugeMetricFamily(
                f"crm_webhook_{name}", text, labels=("source", "what")
            )
            for row in rows or ():
                labels = (row["source_system"], row["what"])
                metric.add_metric(labels, float(row[name]))
            yield metric

    def _latest(self) -> Sequence[dict[str, Any]] | None:
        # Whoever waited for another's look would hold a thread that deliveries need.
        if self._lock.acquire(blocking=False):
            try:
                if time.monotonic() - self._looked_at >= _FRESH_SECONDS:
                    self._rows = self._look()
                    self._looked_at = time.monotonic()
            finally:
                self._lock.release()
        return self._rows

    def _look(self) -> Sequence[dict[str, Any]] | None:
        values = {"sources": self._sources, "most": _MOST}
        try:
            # Not one of the sessions that deliveries need.
            with Session.connect(
                self._conninfo,
                **SESSION_OPTIONS,
                application_name="webhook_receiver metrics",
                options=f"-c statement_timeout={_STATEMENT_MS}",
                row_factory=dict_row,
            ) as session:
                return session.execute(statement("measure_inbox"), values).fetchall()
        except psycopg.Error as error:
            state = error.sqlstate or "-"
            logger.warning("metrics: %s %s", type(error).__name__, state)
            return None
