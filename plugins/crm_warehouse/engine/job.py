"""What a sync is asked to do, and what came of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import GUARDS, Entity, Guard, Mode, Source, Via

if TYPE_CHECKING:
    # The command line imports this module before it knows what is asked for.
    from crm_warehouse.csv_files.file import CsvFile

Status = Literal["pending", "running", "waiting", "success", "failed", "partial"]


def parse_since(text: str) -> datetime:
    """Start of a window as people write it; without an offset it is UTC.

    Raises:
        ConfigurationError: No ISO 8601 date or time, or one that has not come yet.
    """
    value = parse_moment(text)
    if value > datetime.now(UTC):
        raise ConfigurationError(f"{text!r} lies in the future; nothing changed since")
    return value


def parse_moment(text: str) -> datetime:
    """A date or time as people write it; without an offset it is UTC.

    Raises:
        ConfigurationError: It is not ISO 8601.
    """
    try:
        value = datetime.fromisoformat(text)
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{text!r} is no ISO 8601 time; write it like 2026-01-31T00:00:00Z"
        ) from None


def parse_override(text: str) -> frozenset[Guard]:
    """Guards to ignore, as people list them: names with commas between, or nothing.

    Raises:
        ConfigurationError: There is no such guard.
    """
    names = {name.strip() for name in text.split(",")} if text else set()
    if unknown := names.difference(GUARDS):
        raise ConfigurationError(
            f"{min(unknown)!r} is no guard; there are {', '.join(GUARDS)}"
        )
    return frozenset(guard for guard in GUARDS if guard in names)


class JobRequest(Protocol):
    """What every job is asked for with."""

    @property
    def source_system(self) -> str:
        """Instance name that rows carry."""

    @property
    def entity_type(self) -> str:
        """Entity, or ``webhooks``."""

    @property
    def mode(self) -> str:
        """Becomes ``job_type``."""

    @property
    def via(self) -> str:
        """Way in."""

    @property
    def restart(self) -> bool:
        """Begin anew instead of resuming a dead job."""

    @property
    def override(self) -> frozenset[Guard]:
        """Guards that this run ignores."""

    @property
    def asked_by(self) -> str | None:
        """Name of the person who asked, where that is known."""

    @property
    def try_number(self) -> int | None:
        """Which try of its Airflow task asks; None: no task does."""

    @property
    def first_try(self) -> int:
        """First try since the task's run began or was cleared."""

    @property
    def triggered_by(self) -> str:
        """``cli``, or ``airflow``."""

    @property
    def dag_id(self) -> str | None:
        """Airflow's DAG id."""

    @property
    def run_id(self) -> str | None:
        """Airflow's run id."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """One sync of one entity.

    Attributes:
        source: Definition to run with.
        entity: Entity of that source.
        source_system: Instance name that rows carry; the source's name by default.
        mode: ``incremental``, ``full`` or ``replay``.
        via: Way in.
        since: Start of the window instead of the watermark; incremental only.
        batch_size: Records asked for per request; None takes the settings' value.
        restart: Begin anew instead of resuming a dead job.
        override: Guards that this run ignores; it goes on with a job that they stopped.
        triggered_by: ``cli``, or ``airflow``: for the audit trail.
        asked_by: Name of the person who asked, where that is known: likewise.
        dag_id: Airflow's DAG id, or None.
        run_id: Airflow's run id, or None. A run that comes again repeats its window.
        try_number: Which try of Airflow's task asks; None: no task does. What an
            earlier try brought to its end is not done again.
        first_try: First try since the run began or was cleared.
        job_id: The job to resume, and no other; None: whichever there is.
        file: The file to import, for way in ``csv``. With mode ``full`` it is a
            snapshot: what it lacks is deleted.
    """

    source: Source
    entity: Entity
    source_system: str
    mode: Mode
    via: Via = "api"
    since: datetime | None = None
    batch_size: int | None = None
    restart: bool = False
    override: frozenset[Guard] = frozenset()
    triggered_by: str = "cli"
    asked_by: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    try_number: int | None = None
    first_try: int = 1
    job_id: int | None = None
    file: "CsvFile | None" = None

    @property
    def entity_type(self) -> str:
        """Name of the entity."""
        return self.entity.name


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One merge of what a source's webhooks announced.

    Attributes:
        source: Definition to run with.
        source_system: Instance name that rows carry; the source's name by default.
        override: Guards that this run ignores.
        triggered_by: ``cli``, or ``airflow``: for the audit trail.
        asked_by: Name of the person who asked, where that is known: likewise.
        dag_id: Airflow's DAG id, or None.
        run_id: Airflow's run id, or None.
        portal_id: Account that events must name, or None: any.
        app_id: App that events must name, or None: any.
        spares_resting: Leave out entities whose webhooks rest; False: try all.
    """

    source: Source
    source_system: str
    override: frozenset[Guard] = frozenset()
    triggered_by: str = "cli"
    asked_by: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    portal_id: str | None = None
    app_id: str | None = None
    spares_resting: bool = False

    try_number: ClassVar[int | None] = None
    first_try: ClassVar[int] = 1
    entity_type: ClassVar[str] = "webhooks"
    mode: ClassVar[str] = "webhook"
    via: ClassVar[str] = "webhook"
    restart: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class SyncResult:
    """Outcome of a sync; ``as_contract`` is the command line's last line."""

    job_id: int
    source: str
    entity: str
    mode: str
    status: Status
    records_received: int
    records_repeated: int
    records_processed: int
    records_created: int
    records_updated: int
    records_unchanged: int
    records_deleted: int
    records_failed: int
    warnings: int
    requests: int
    duration_seconds: float
    last_sync_timestamp: datetime | None
    errors: tuple[str, ...]
    resume_at: datetime | None = None
    retries: int = 0
    new_rejects: int = 0
    records_absent: int = 0
    notes: tuple[str, ...] = ()

    def as_contract(self) -> dict[str, Any]:
        """JSON object of the contract, with what else a reader wants to know."""
        # A window that was not read to its end synchronised nothing up to its end.
        done = self.status in ("success", "partial")
        moment = self.last_sync_timestamp if done else None
        return {
            "job_id": self.job_id,
            "source": self.source,
            "entity": self.entity,
            "mode": self.mode,
            "status": self.status,
            "records_received": self.records_received,
            "records_repeated": self.records_repeated,
            "records_processed": self.records_processed,
            "records_created": self.records_created,
            "records_updated": self.records_updated,
            "records_unchanged": self.records_unchanged,
            "records_deleted": self.records_deleted,
            "records_absent": self.records_absent,
            "records_failed": self.records_failed,
            "warnings": self.warnings,
            "requests": self.requests,
            "retries": self.retries,
            "duration_seconds": round(self.duration_seconds, 3),
            "last_sync_timestamp": moment.isoformat() if moment else None,
            "resume_at": self.resume_at.isoformat() if self.resume_at else None,
            "errors": list(self.errors),
            **({"notes": list(self.notes)} if self.notes else {}),
        }
