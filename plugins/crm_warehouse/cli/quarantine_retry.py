"""``quarantine retry``: map again what is set aside, from stored data."""

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from crm_warehouse.cli import logs
from crm_warehouse.cli.loading import print_result, show_progress
from crm_warehouse.cli.outcome import Attempt, nothing
from crm_warehouse.cli.quarantine import filters, why_nothing
from crm_warehouse.cli.reading import reading
from crm_warehouse.cli.sources import find_entity
from crm_warehouse.cli.warehouse import check_tables, warehouse_conninfo
from crm_warehouse.errors import ConfigurationError

if TYPE_CHECKING:
    from crm_warehouse.engine.job import SyncResult
    from crm_warehouse.engine.reprocess import ReprocessRequest
    from crm_warehouse.engine.run import Progress

_MODE = "reprocess"


def run(words: Namespace) -> int:
    """Retry, and print the result as the last line of standard output."""
    attempt = Attempt(words.source or "", words.entity or "", _MODE)
    return print_result(attempt, lambda attempt: _retry(words, attempt), _as_line)


def _retry(words: Namespace, attempt: Attempt) -> "SyncResult":
    from crm_warehouse.engine.reprocess import reprocess

    request = _request(words, attempt)
    if request is None:
        return nothing(attempt)
    logs.add_context(
        source_system=request.source_system, entity=attempt.entity, mode=_MODE
    )
    conninfo = warehouse_conninfo()
    check_tables(conninfo)
    attempt.conninfo = conninfo

    def retry(note: "Progress") -> "SyncResult":
        return reprocess(request, conninfo=conninfo, progress=note)

    result = show_progress(attempt, retry)
    logs.logger.info(
        "%d of %d records pass now; %d stay rejected, %d warnings stay",
        _passed(result),
        result.records_processed,
        result.records_failed,
        result.warnings,
    )
    return result


def _as_line(result: "SyncResult") -> dict[str, Any]:
    job = {} if result.job_id else {"job_id": None}
    return {**result.as_contract(), **job, "records_passed": _passed(result)}


def _passed(result: "SyncResult") -> int:
    return result.records_processed - result.records_failed


def _request(words: Namespace, attempt: Attempt) -> "ReprocessRequest | None":
    """What to map again; None, and a message, when nothing is open."""
    from crm_warehouse.engine.reprocess import ReprocessRequest

    by_reason = [words.type, words.field, words.rule] != [None] * 3
    if words.id is None:
        if words.source is None or words.entity is None:
            raise ConfigurationError("give --source and --entity, or --id of one entry")
        source, entity = find_entity(words.source, words.entity)
        found = _find_open(words)
    elif words.source is not None or words.entity is not None or by_reason:
        raise ConfigurationError(
            "--id: names its source, entity and reason; leave them out"
        )
    else:
        source, entity = find_entity(*_place(words.id))
        found = (words.id,)
    attempt.source, attempt.entity = source.name, entity.name
    if not found:
        return None
    only = found if by_reason or words.id is not None else ()
    return ReprocessRequest(source, entity, source.name, error_ids=only)


def _find_open(words: Namespace) -> tuple[int, ...]:
    """Entries that the filters let pass and that can be mapped again."""
    from crm_warehouse.engine.queries import query

    values = filters(words)
    with reading() as conn:
        found = conn.execute(query("find_retriable"), values).fetchall()
        if not found:
            logs.logger.warning("%s; nothing was tried", why_nothing(conn, values))
    return tuple(error_id for (error_id,) in found)


def _place(error_id: int) -> tuple[str, str]:
    """Source and entity of an entry."""
    from crm_warehouse.engine.queries import query

    with reading() as conn:
        row = conn.execute(query("load_error"), {"id": error_id}).fetchone()
    if row is None:
        raise ConfigurationError(
            f"--id: {error_id} is no open entry with a record; `quarantine list` shows"
            " which are"
        )
    return row[0], row[1]
