"""Look after the warehouse: take up stale jobs, close gaps, delete what is old.

Small acts, each in transactions of its own, safe to repeat and to kill. One that fails
is recorded, and the others go on.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb

from crm_warehouse.clients.registry import announced
from crm_warehouse.engine import file_imports, horizon, retention, webhook_gaps
from crm_warehouse.engine.finish import link_rows
from crm_warehouse.engine.inbox_redaction import redact_inbox
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.profiles import as_loaded
from crm_warehouse.engine.queries import query
from crm_warehouse.engine.recovery import (
    AccessOf,
    Due,
    find_stale,
    load_all,
    stamp,
    told,
)
from crm_warehouse.engine.reprocess import (
    ReprocessRequest,
    find_reprocessable,
    reprocess,
)
from crm_warehouse.engine.session import open_session
from crm_warehouse.errors import SyncConflictError, SyncDisabledError
from crm_warehouse.moments import utc_text
from crm_warehouse.spec import Source

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MaintenanceRequest:
    """One round of maintenance.

    Attributes:
        sources: What to look after.
        limited: There are others, which this round leaves out: it is none for them,
            nor for what belongs to no source.
        whole: Do all acts, not only those that cannot wait for the next hour.
        triggered_by: ``cli``, or ``airflow``: for the audit trail.
        dag_id: Airflow's DAG id, or None.
        run_id: Airflow's run id, or None.
    """

    sources: Sequence[Source]
    limited: bool = False
    whole: bool = True
    triggered_by: str = "cli"
    dag_id: str | None = None
    run_id: str | None = None


@dataclass(slots=True)
class Act:
    """What one act did; columns as in ``ops.maintenance_acts``."""

    act: str
    source_system: str
    found: int = 0
    done: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    duration_seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What one round did.

    Attributes:
        id: Row in ``ops.maintenance_runs``.
        acts: In the order in which they were done.
        due: Loads that the caller is to start.
    """

    id: int
    acts: list[Act]
    due: list[Due]

    @property
    def failed(self) -> bool:
        """Whether an act failed."""
        return any(act.error is not None for act in self.acts)

    def as_json(self) -> dict[str, Any]:
        """The command line's last line."""
        return {
            "maintenance_run_id": self.id,
            "status": "failed" if self.failed else "success",
            "found": sum(act.found for act in self.acts),
            "done": sum(act.done for act in self.acts),
            "acts": [asdict(act) for act in self.acts],
        }


def maintain(
    request: MaintenanceRequest, *, conninfo: str, access_of: AccessOf | None = None
) -> Report:
    """Do one round.

    Args:
        request: What to look after.
        conninfo: libpq connection string of the warehouse.
        access_of: How to reach a source: loads are done here, one after the other.
            None: the report says which are due, and the caller starts them.

    Raises:
        psycopg.OperationalError: The warehouse does not answer.
    """
    return _Round(request, conninfo, access_of).run()


Work = Callable[[Connection, Act], list[Due]]


class _Round:
    """One process's work on one round."""

    def __init__(
        self, request: MaintenanceRequest, conninfo: str, access_of: AccessOf | None
    ) -> None:
        self._request = request
        self._conninfo = conninfo
        self._access_of = access_of
        self._id = 0
        self._acts: list[Act] = []
        self._due: list[Due] = []

    def run(self) -> Report:
        request = self._request
        whole = request.whole and not request.limited
        values = {
            "whole": whole,
            "triggered_by": request.triggered_by,
            "dag_id": request.dag_id,
            "run_id": request.run_id,
        }
        with self._connect() as conn:
            row = conn.execute(query("begin_maintenance"), values).fetchone()
        assert row is not None  # noqa: S101  an INSERT of one row returns it
        self._id = row[0]
        for source in request.sources:
            self._look_after(source)
        if whole:
            self._do("retain", "", _retain)
        with self._connect() as conn:
            conn.execute(query("end_maintenance"), {"id": self._id})
        return Report(self._id, self._acts, self._due)

    def _look_after(self, source: Source) -> None:
        name = source.name
        self._do("recover_jobs", name, lambda conn, act: _recover(conn, act, source))
        if source.webhooks:
            self._do(
                "merge_webhooks", name, lambda conn, act: _merge(conn, act, source)
            )
        if not self._request.whole:
            return
        self._do(
            "reprocess", name, lambda conn, act: self._reprocess(conn, act, source)
        )
        self._do("link", name, lambda conn, act: _link(conn, act, source))
        if any(entity.csv is not None for entity in source.all_entities.values()):
            self._do("end_imports", name, lambda c, act: _end_imports(c, act, source))
        if source.forgets:
            self._do("horizon", name, lambda c, act: _watch_horizon(c, act, source))
        if source.webhooks:
            self._do("redact", name, lambda c, act: self._redact(c, act, source))
            self._do("retry_deliveries", name, lambda c, act: _retry(c, act, source))
            self._do("measure_webhooks", name, lambda c, act: _measure(c, act, source))

    def _do(self, name: str, source_system: str, work: Work) -> None:
        """Do an act, whatever becomes of it, and write that down."""
        act, begun = Act(name, source_system), time.monotonic()
        try:
            with self._connect() as conn:
                found = work(conn, act)
            self._start(act, found)
        except Exception as error:  # noqa: BLE001  told, and the others go on
            act.error = told(error)
        act.duration_seconds = round(time.monotonic() - begun, 3)
        self._acts.append(act)
        self._save(act)

    def _start(self, act: Act, found: list[Due]) -> None:
        """Load what is due, or leave it to the caller."""
        if self._access_of is None:
            self._due += found
            act.done += len(found)
            return
        done, problems = load_all(
            found,
            self._access_of,
            conninfo=self._conninfo,
            triggered_by=self._request.triggered_by,
        )
        act.done += done
        if problems:
            act.error = "; ".join(problems)

    def _reprocess(self, conn: Connection, act: Act, source: Source) -> list[Due]:
        """Map again what is in quarantine and may pass now; asks the source nothing.

        It may take long: who starts loads by himself is to start it, too.
        """
        entities = find_reprocessable(conn, source, source.name)
        act.found = len(entities)
        if self._access_of is None:
            moment = stamp(datetime.now(UTC))
            return [
                Due(
                    source,
                    each.name,
                    "reprocess",
                    f"{source.name}_{each.name}_{moment}",
                )
                for each in entities
            ]
        for entity in entities:
            request = ReprocessRequest(
                source, entity, source.name, triggered_by="maintenance"
            )
            try:
                result = reprocess(request, conninfo=self._conninfo)
            except (SyncConflictError, SyncDisabledError) as error:
                act.details[entity.name] = error.category
            else:
                act.done += 1
                act.details[entity.name] = result.records_processed
        return []

    def _redact(self, conn: Connection, act: Act, source: Source) -> list[Due]:
        by = self._request.triggered_by
        # The profile says where a delivered record has its id.
        for entity in announced(source)[:1]:
            source, _ = as_loaded(conn, source, source.name, entity)
        act.details |= redact_inbox(conn, source, source.name, actor=by)
        act.found = act.done = sum(act.details.values())
        return []

    def _save(self, act: Act) -> None:
        values = {
            **asdict(act),
            "maintenance_run_id": self._id,
            "details": Jsonb(act.details),
        }
        with self._connect() as conn, conn.transaction():
            conn.execute(query("save_maintenance_act"), values)
            if act.done or act.error:
                self._audit(conn, act)

    def _audit(self, conn: Connection, act: Act) -> None:
        told_of = {"source_system": act.source_system, "found": act.found}
        conn.execute(
            query("audit"),
            {
                "actor": self._request.triggered_by,
                "action": f"maintenance.{act.act}",
                "object_type": "maintenance_run",
                "object_id": str(self._id),
                "details": Jsonb({**told_of, "done": act.done, "error": act.error}),
            },
        )

    def _connect(self) -> Connection:
        return open_session(self._conninfo, "maintenance")


def _recover(conn: Connection, act: Act, source: Source) -> list[Due]:
    found = find_stale(conn, source)
    act.found = len(found)
    act.details = {"jobs": [each.job_id for each in found]} if found else {}
    return found


def _merge(conn: Connection, act: Act, source: Source) -> list[Due]:
    act.found, found = webhook_gaps.find_overdue(conn, source)
    return found


def _link(conn: Connection, act: Act, source: Source) -> list[Due]:
    for entity in source.all_entities.values():
        with conn.transaction():  # one by one: loads wait for the links held
            act.done += link_rows(conn, source.name, [entity])
    act.found = act.done
    return []


def _end_imports(conn: Connection, act: Act, source: Source) -> list[Due]:
    ended = file_imports.end_dead(conn, source.name)
    act.found = act.done = len(ended)
    act.details = {"jobs": ended} if ended else {}
    return []


def _watch_horizon(conn: Connection, act: Act, source: Source) -> list[Due]:
    """Say what must be read before the source forgets it, though no load runs."""
    found = horizon.note(conn, source.name)
    act.found = len(found)
    act.details = {each.entity_type: each.lost_at.isoformat() for each in found}
    for each in found:
        _log.warning(
            "%s %s: read completely only up to %s; from %s on the source forgets what"
            " was not read (%s)",
            *(source.name, each.entity_type, utc_text(each.watermark)),
            *(utc_text(each.lost_at), each.state),
        )
    return []


def _retry(conn: Connection, act: Act, source: Source) -> list[Due]:
    deliveries = webhook_gaps.retry_deliveries(conn, source)
    events = webhook_gaps.retry_events(conn, source)
    act.found = act.done = deliveries + events
    act.details = {"deliveries": deliveries, "events": events} if act.found else {}
    return []


def _measure(conn: Connection, act: Act, source: Source) -> list[Due]:
    found: list[Due] = []
    for entity in source.entities.values():
        lost = webhook_gaps.measure(conn, source, entity)
        act.found += sum(lost.values())
        if any(lost.values()):
            act.details[entity.name] = lost
        found += webhook_gaps.find_full_load(conn, source, entity)
    return found


def _retain(conn: Connection, act: Act) -> list[Due]:
    if retention.is_due(conn):
        act.details = retention.delete_old(conn)
        act.found = act.done = sum(act.details.values())
    return []
