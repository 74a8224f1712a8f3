"""``quarantine retry``: map again what is set aside, from stored data."""

from argparse import Namespace
from typing import TYPE_CHECKING

from crm_warehouse.cli import logs
from crm_warehouse.cli.loading import print_result, show_progress
from crm_warehouse.cli.outcome import Attempt
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
    return print_result(attempt, lambda attempt: _retry(words, attempt))


def _retry(words: Namespace, attempt: Attempt) -> "SyncResult":
    from crm_warehouse.engine.reprocess import reprocess

    request = _request(words)
    attempt.source, attempt.entity = request.source.name, request.entity.name
    logs.add_context(
        source_system=request.source_system, entity=attempt.entity, mode=_MODE
    )
    conninfo = warehouse_conninfo()
    check_tables(conninfo)
    attempt.conninfo = conninfo

    def retry(note: "Progress") -> "SyncResult":
        return reprocess(request, conninfo=conninfo, progress=note)

    return show_progress(attempt, retry)


def _request(words: Namespace) -> "ReprocessRequest":
    from crm_warehouse.engine.reprocess import ReprocessRequest

    if words.id is None:
        if words.source is None or words.entity is None:
            raise ConfigurationError("give --source and --entity, or --id of one entry")
        source, entity = find_entity(words.source, words.entity)
        return ReprocessRequest(source, entity, source.name)
    if words.source is not None or words.entity is not None:
        raise ConfigurationError("--id: names its source and entity; leave them out")
    source, entity = find_entity(*_place(words.id))
    return ReprocessRequest(source, entity, source.name, error_ids=(words.id,))


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
