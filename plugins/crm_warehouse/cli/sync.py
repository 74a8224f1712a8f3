"""``sync``: load one entity, and end with one JSON line for the caller."""

from argparse import Namespace
from typing import cast

from crm_warehouse.cli import logs
from crm_warehouse.cli.client import client_factory
from crm_warehouse.cli.loading import print_result, show_progress, user_name
from crm_warehouse.cli.outcome import Attempt
from crm_warehouse.cli.reached import reached_entity
from crm_warehouse.cli.warehouse import check_tables, warehouse_conninfo
from crm_warehouse.csv_files.file import CsvFile, look_at
from crm_warehouse.engine.file_imports import opener
from crm_warehouse.engine.file_report import read_report
from crm_warehouse.engine.job import SyncRequest, SyncResult
from crm_warehouse.engine.run import Progress
from crm_warehouse.engine.settings import LARGEST_BATCH
from crm_warehouse.engine.sync import check, run_sync
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import Entity, Mode, Via


def run(words: Namespace) -> int:
    """Load, and print the result as the last line of standard output."""
    attempt = Attempt(words.source, words.entity, words.mode)
    return print_result(attempt, lambda attempt: _load(words, attempt))


def _load(words: Namespace, attempt: Attempt) -> SyncResult:
    request = _request(words)
    attempt.entity = request.entity.name
    logs.add_context(
        source_system=request.source_system, entity=attempt.entity, mode=request.mode
    )
    conninfo = warehouse_conninfo()
    open_client = (
        opener(request)
        if request.file is not None
        else client_factory(request.source, request.via)
    )
    check_tables(conninfo)
    attempt.conninfo = conninfo

    def sync(note: Progress) -> SyncResult:
        return run_sync(
            request,
            conninfo=conninfo,
            open_client=open_client,
            max_wait_seconds=words.max_wait,
            progress=note,
        )

    result = show_progress(attempt, sync)
    if request.file is not None:
        print(read_report(conninfo, result.job_id, result.notes).text())
    return result


def _request(words: Namespace) -> SyncRequest:
    source, entity = reached_entity(words.source, words.entity)
    if words.batch_size is not None and words.batch_size > LARGEST_BATCH:
        raise ConfigurationError(
            f"--batch-size: {words.batch_size} is more than {LARGEST_BATCH}, the most "
            "that may be asked for per request"
        )
    request = SyncRequest(
        source=source,
        entity=entity,
        source_system=source.name,
        mode=_mode(words),
        via=cast(Via, words.via),
        since=words.since,
        batch_size=words.batch_size,
        restart=words.restart,
        override=words.override,
        asked_by=user_name(),
        file=_file(words, entity),
    )
    check(request)
    return request


def _mode(words: Namespace) -> Mode:
    """A snapshot is what a full load is for an API."""
    if words.via == "csv" and words.mode == "full":
        raise ConfigurationError(
            "--mode full: a file never deletes by itself; give --snapshot when it is"
            " the whole truth"
        )
    return "full" if words.snapshot else cast(Mode, words.mode)


def _file(words: Namespace, entity: Entity) -> CsvFile | None:
    if words.via != "csv":
        for option in ("file", "snapshot"):
            if getattr(words, option):
                raise ConfigurationError(
                    f"--{option}: goes with --via csv, not {words.via}; leave one of"
                    " them out"
                )
        return None
    if entity.csv is None:
        return None  # the check of the request says which ways in there are
    if words.file is None:
        raise ConfigurationError("--via csv: needs --file")
    return look_at(words.file, entity.csv)
