"""Entities whose webhooks cannot be merged rest; those of all others go on.

A merge of Airflow leaves out who rests, so that the next one may begin within seconds
and does not fail at the same entity again. What may pass by itself rests for seconds
first.
"""

import logging
from collections.abc import Iterable
from datetime import datetime

import psycopg

from crm_warehouse.engine.job import WebhookRequest
from crm_warehouse.engine.jobs import Connection
from crm_warehouse.engine.queries import query
from crm_warehouse.errors import (
    Action,
    CrmWarehouseError,
    GuardError,
    WebhooksRestError,
)
from crm_warehouse.moments import REST, utc_text

#: Rests of an entity whose refusal may pass by itself, one try in vain after the other,
#: in seconds; what needs a person rests for the last one at once.
_PAUSES = (15.0, 60.0, 240.0, REST.total_seconds())

_log = logging.getLogger(__name__)


class Refusals:
    """What one merge cannot merge, and what it left out.

    Args:
        conn: Connection in autocommit mode that holds the lock of the webhooks.
        request: Whose webhooks.
    """

    def __init__(self, conn: Connection, request: WebhookRequest) -> None:
        self._conn = conn
        self._request = request
        self._values = {"source_system": request.source_system}
        self._resting: set[str] = set()
        self._refused: dict[str, CrmWarehouseError] = {}
        self._objections: list[GuardError] = []

    def spare_resting(self) -> None:
        """Leave out who rests, where the request says so."""
        if self._request.spares_resting:
            rows = self._conn.execute(query("find_resting"), self._values).fetchall()
            self._resting = {entity for (entity,) in rows}

    def __contains__(self, entity: str) -> bool:
        """Whether the entity's events stay pending in this merge."""
        return entity in self._refused or entity in self._resting

    def refuse(self, entity: str, error: CrmWarehouseError) -> None:
        """Leave the entity's events pending from now on."""
        self._refused[entity] = error

    def object(self, objections: Iterable[GuardError]) -> None:
        """Remember that records were set aside; their entity goes on."""
        self._objections += objections

    def tell(self, entities: Iterable[str]) -> None:
        """Note who rests, when all else is merged, and raise what somebody must know.

        Args:
            entities: Those that are loaded at all.

        Raises:
            CrmWarehouseError: Why an entity is refused, or records were set aside. Not
                what a merge that leaves out who rests will try again within minutes.
        """
        rests = self._note(self._resting.intersection(entities))
        told = [self._told(entity, *rests[entity]) for entity in rests]
        errors = [error for error in (*told, *self._objections) if error is not None]
        # What only a person can mend first; a task that is skipped hides the others.
        for error in sorted(errors, key=lambda each: each.action is Action.SKIP):
            raise error

    def _note(self, left: set[str]) -> dict[str, tuple[datetime, int]]:
        errors = list(self._refused.values())
        values = {
            **self._values,
            "refused": list(self._refused),
            "categories": [error.category for error in errors],
            "passing": [error.action is Action.RETRY for error in errors],
            "pauses": list(_PAUSES),
            "left": list(left),
        }
        rows = self._conn.execute(query("note_rests"), values).fetchall()
        noted = {entity: (until, tries) for entity, until, tries in rows}
        return {entity: noted[entity] for entity in self._refused}

    def _told(
        self, entity: str, until: datetime, tries: int
    ) -> CrmWarehouseError | None:
        """The refusal as it is raised, or None where the next tries come soon."""
        error = self._refused[entity]
        again = utc_text(until)
        _log.warning(
            "%s: refused (%s); its webhooks rest until %s",
            entity,
            error.category,
            again,
        )
        if not self._request.spares_resting or error.action is not Action.RETRY:
            return error
        if tries < len(_PAUSES):
            return None
        return WebhooksRestError(
            f"{entity}: refused {tries} times in a row; its webhooks rest until"
            f" {again}, all others go on. {error}"
        )


def is_stuck(
    conninfo: str, source_system: str, *, dag_id: str, run_id: str, ended_at: datetime
) -> bool:
    """Whether a run left webhooks pending that it should have merged.

    Args:
        conninfo: libpq connection string of the warehouse.
        source_system: Whose webhooks.
        dag_id: Airflow's DAG id of the run.
        run_id: Its id.
        ended_at: When it ended.

    Raises:
        psycopg.OperationalError: The warehouse does not answer.
    """
    values = {
        "source_system": source_system,
        "dag_id": dag_id,
        "run_id": run_id,
        "ended_at": ended_at,
    }
    with psycopg.connect(conninfo) as conn:
        row = conn.execute(query("find_stuck_webhooks"), values).fetchone()
    return bool(row and row[0])
