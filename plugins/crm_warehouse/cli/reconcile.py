"""``reconcile``: compare a source with the warehouse, and end with one JSON line."""

import json
from argparse import Namespace
from typing import Any, cast

import psycopg

from crm_warehouse.cli import logs
from crm_warehouse.cli.client import client_factory
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.failures import Terminated, explain, show
from crm_warehouse.cli.loading import show_progress, user_name
from crm_warehouse.cli.outcome import Attempt, failed_line
from crm_warehouse.cli.reached import reached_entity, reached_source
from crm_warehouse.cli.warehouse import check_tables, warehouse_conninfo
from crm_warehouse.engine.job import SyncResult
from crm_warehouse.engine.reconcile import (
    ReconcileRequest,
    ReconcileResult,
    check,
    reconcile,
)
from crm_warehouse.engine.run import Progress
from crm_warehouse.errors import Action, ConfigurationError, CrmWarehouseError
from crm_warehouse.spec import Entity, Extent, Source

_MODE = "reconcile"


def run(words: Namespace) -> int:
    """Compare entity after entity; print what came of them as the last line.

    An entity that fails does not end the others.

    Returns:
        0 equal, 3 different, 4 waiting for quota or source; of what failed its own.
    """
    attempt = Attempt(words.source, words.entity or "", _MODE)
    done: list[dict[str, Any]] = []
    failed: set[Exit] = set()
    try:
        source, entities = _entities(words)
        requests = [_request(words, source, entity) for entity in entities]
        conninfo = warehouse_conninfo()
        check_tables(conninfo)
        for request in requests:
            attempt = Attempt(source.name, request.entity.name, _MODE, conninfo)
            try:
                result = _compare(words, request, attempt)
            except (CrmWarehouseError, psycopg.Error) as error:
                if words.entity is not None:
                    raise
                line = failed_line(attempt, explain(error).lines)
                if getattr(error, "action", None) is Action.SKIP:
                    name = request.entity.name
                    logs.logger.warning("%s is left out: %s", name, error)
                    line["status"] = "skipped"
                else:
                    show(explain(error), error, words)
                    failed.add(explain(error).status)
                done.append(line)
                continue
            done.append(result.as_contract())
            if result.status == "waiting":
                break  # the others would wait for the same quota
    except (Exception, KeyboardInterrupt, Terminated) as error:
        done.append(failed_line(attempt, explain(error).lines))
        print(json.dumps(_line(words, done)))
        raise
    print(json.dumps(_line(words, done)))
    return _status(done, failed)


def _status(done: list[dict[str, Any]], failed: set[Exit]) -> Exit:
    if failed:
        return failed.pop() if len(failed) == 1 else Exit.FAILED
    if any(each["status"] == "waiting" for each in done):
        return Exit.WAITING
    different = any(each.get("verdict") == "different" for each in done)
    return Exit.PARTIAL if different else Exit.SUCCESS


def _worst(done: list[dict[str, Any]]) -> str:
    """The status that a reader has to know of; an entity left out is none."""
    known = [each["status"] for each in done]
    return next((word for word in ("failed", "waiting") if word in known), "success")


def _line(words: Namespace, done: list[dict[str, Any]]) -> dict[str, Any]:
    """The object of one entity, or one around those of all of them."""
    if words.entity is not None:
        return done[0]
    verdicts = {each.get("verdict") for each in done if each["status"] != "skipped"}
    judged = next((v for v in (None, "different") if v in verdicts), "equal")
    return {
        "source": words.source,
        "mode": _MODE,
        "status": _worst(done),
        "verdict": judged,
        "differences": sum(each.get("differences") or 0 for each in done),
        "repaired": sum(each.get("repaired") or 0 for each in done),
        "requests": sum(each["requests"] for each in done),
        "entities": done,
    }


def _entities(words: Namespace) -> tuple[Source, list[Entity]]:
    if words.entity is not None:
        source, entity = reached_entity(words.source, words.entity)
        return source, [entity]
    source = reached_source(words.source)
    entities = list(source.entities.values())
    if words.only == "sweep":
        entities = [each for each in entities if each.is_swept]
    if not entities:
        raise ConfigurationError(
            f"--only sweep: {source.name} has neither associations nor an archive"
        )
    return source, entities


def _request(words: Namespace, source: Source, entity: Entity) -> ReconcileRequest:
    request = ReconcileRequest(
        source,
        entity,
        source.name,
        repair=words.repair,
        extent=cast(Extent, words.only),
        restart=words.restart,
        override=words.override,
        asked_by=user_name(),
    )
    check(request)
    return request


def _compare(
    words: Namespace, request: ReconcileRequest, attempt: Attempt
) -> ReconcileResult:
    logs.add_context(
        source_system=request.source_system, entity=attempt.entity, mode=_MODE
    )
    open_client = client_factory(request.source)

    def compare(note: Progress) -> SyncResult:
        return reconcile(
            request,
            conninfo=attempt.conninfo or "",
            open_client=open_client,
            max_wait_seconds=words.max_wait,
            progress=note,
        )

    result = cast(ReconcileResult, show_progress(attempt, compare))
    if result.verdict is not None:
        logs.logger.info(result.in_words())
    return result
