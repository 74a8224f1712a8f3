"""What the warehouse knows of imported files: by their content, not by name."""

from dataclasses import replace

from psycopg.rows import dict_row

from crm_warehouse.clients.interface import ClientFactory, Gate, SourceClient
from crm_warehouse.csv_files.client import CsvClient, file_header
from crm_warehouse.engine import due, jobs, lock
from crm_warehouse.engine.job import SyncRequest, SyncResult
from crm_warehouse.engine.jobs import Connection, Job, job_row
from crm_warehouse.engine.queries import query
from crm_warehouse.errors import ConfigurationError, TransientSourceError
from crm_warehouse.spec import Entity


def check_file(request: SyncRequest) -> None:
    """Refuse a file for another way in, and that way without a file.

    Raises:
        ConfigurationError: Says which, and what to do.
    """
    if request.file is None:
        if request.via == "csv" and request.mode != "replay":
            raise ConfigurationError(
                f"{request.source.name} {request.entity.name} by csv needs a file"
            )
    elif request.since is not None:
        raise ConfigurationError("since: a file is read whole; leave it out")
    elif request.via != "csv" or request.mode == "replay":
        raise ConfigurationError(
            f"a file goes with csv, not with {request.via}, mode {request.mode}; leave"
            " one of them out"
        )


def opener(request: SyncRequest) -> ClientFactory:
    """What builds the client of the request's file."""
    file = request.file
    if file is None:
        raise ConfigurationError(f"{request.source.name}: there is no file to read")

    def open_client(gate: Gate) -> SourceClient:
        return CsvClient(request.entity, file, gate)

    return open_client


def imported_before(conn: Connection, request: SyncRequest) -> SyncResult | None:
    """The result of a file that was imported already: nothing is done. Else None."""
    if request.file is None or request.restart:
        return None
    values = {
        "source_system": request.source_system,
        "entity_type": request.entity_type,
        "sha256": request.file.sha256,
        "is_snapshot": request.mode == "full",
        "modified_at": request.file.modified_at,
    }
    with conn.cursor(row_factory=job_row) as cursor:
        job: Job | None = cursor.execute(query("find_csv_import"), values).fetchone()
    return _nothing(job) if job is not None else None


def note_file(conn: Connection, job: Job, request: SyncRequest) -> None:
    """Write down which file a job imports.

    Raises:
        ConfigurationError: The file's header does not name the record's id.
    """
    file = request.file
    if file is None:
        return
    notes = file_header(request.entity, file).notes
    conn.execute(
        query("save_csv_file"),
        {
            "job_id": job.id,
            "source_system": job.source_system,
            "entity_type": job.entity_type,
            "name": file.name,
            "sha256": file.sha256,
            "size_bytes": file.size_bytes,
            "modified_at": file.modified_at,
            "is_snapshot": request.mode == "full",
            "encoding": file.encoding,
            "delimiter": file.delimiter,
            "notes": [*file.guessed, *notes],
        },
    )


def end_dead(conn: Connection, source_system: str) -> list[int]:
    """End the imports whose process died long ago, for nobody here has their file.

    Given again, the file goes on where its job stopped.

    Returns:
        The jobs that are ``failed`` now.
    """
    values = {
        "source_system": source_system,
        "dead_after": due.AIRFLOW_AFTER_SECONDS,  # its own retries have the file
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(query("find_dead_imports"), values).fetchall()
    return [
        each["job_id"]
        for each in found
        if _end(conn, source_system=source_system, **each)
    ]


def _end(
    conn: Connection,
    source_system: str,
    entity_type: str,
    job_id: int,
    name: str | None,
) -> bool:
    """Whether the job was dead indeed, and is ended."""
    error = TransientSourceError(
        f"the import of {name or 'a file'} was killed; put the file into the drop"
        " folder again, or import it by sync --via csv --file: it goes on where it"
        " stopped"
    )
    with conn.transaction():
        if not lock.is_free(conn, source_system, entity_type):
            return False
        job = jobs.load(conn, job_id)
        if job is None or job.status not in ("pending", "running", "waiting"):
            return False
        jobs.stop(conn, job, error, job.tally())
    return True


def unconfirmed(entity: Entity) -> Entity:
    """The entity as a file has it, which answers for no single id."""
    return replace(entity, deletes=replace(entity.deletes, confirm_path=None))


def _nothing(job: Job) -> SyncResult:
    result = job.result()
    done = result.records_processed
    return replace(
        result,
        status="success",
        records_received=0,
        records_repeated=0,
        records_processed=0,
        records_created=0,
        records_updated=0,
        records_unchanged=0,
        records_deleted=0,
        records_absent=0,
        records_failed=0,
        new_rejects=0,
        warnings=0,
        duration_seconds=0.0,
        notes=(
            f"a file of the same content was imported before, by job {job.id}"
            f" ({done} records); nothing was done. To import it anyway: restart",
        ),
    )
