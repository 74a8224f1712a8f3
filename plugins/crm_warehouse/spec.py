"""What a source is: the frozen objects that a YAML file of ``include/sources`` becomes.

The YAML is read and checked by :mod:`crm_warehouse.source_files`; everything above
works with these objects only. Durations are seconds, paths are tuples of keys.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.ways_in import CsvWay, DatabaseWay

#: One step of a path into a record: a key, or a position in a list.
Step = str | int
Path = tuple[Step, ...]

OnError = Literal["reject", "set_null", "keep"]
Mode = Literal["incremental", "full", "replay"]
Via = Literal["api", "database", "csv"]
Extent = Literal["records", "sweep"]
Guard = Literal["mass_delete", "empty_list", "volume", "schema_break"]
PagingStyle = Literal[
    "number", "cursor", "offset", "next_url", "link", "keyset", "odata"
]
SinceFormat = Literal["iso", "date", "epoch", "epoch_ms"]

MODES: tuple[Mode, ...] = ("incremental", "full", "replay")
ON_ERRORS: tuple[OnError, ...] = ("reject", "set_null", "keep")
EXTENTS: tuple[Extent, ...] = ("records", "sweep")
VIAS: tuple[Via, ...] = ("api", "database", "csv")
GUARDS: tuple[Guard, ...] = ("mass_delete", "empty_list", "volume", "schema_break")
#: Guards that stop the repair of a reconciliation: it deletes, and it writes chunks.
REPAIR_GUARDS: tuple[Guard, ...] = ("mass_delete", "empty_list", "schema_break")


@dataclass(frozen=True, slots=True)
class Quota:
    """At most ``requests`` requests in any ``per_seconds`` seconds, for the account.

    Attributes:
        name: Word for people and for ``ops.api_quota``, e.g. ``hourly``.
        requests: Requests allowed in the window.
        per_seconds: Length of the sliding window.
        kind: Kind of request that alone counts, e.g. ``search``; empty: every one.
    """

    name: str
    requests: int
    per_seconds: float
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """Pauses before each repetition of a request that failed for a passing reason.

    Attributes:
        delays: Seconds before repetition 1, 2, …; their number is the maximum.
    """

    delays: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Paging:
    """How the list endpoints of a source are walked.

    Attributes:
        style: ``number``: pages are counted from 1 until the last. ``cursor``: each
            page brings the cursor of the next. ``offset``: a page begins behind so many
            records. ``next_url``, ``link``: each page brings the address of the next,
            in its body or in its header field ``Link``. ``keyset``: a page begins
            behind the last record of the one before. ``odata``: likewise, in the words
            of OData.
        page_param: Query parameter of the page number, cursor, offset or last record's
            id; empty where addresses are followed.
        size_param: Query parameter of the page size.
        size: Records asked for per request unless a run says otherwise.
        max_size: Most records the API allows per request.
        next_path: Place of the next page's cursor or address in the answer; none
            there: the end. Of ``keyset``: place of the id in a record.
        more_path: Place of the flag that says whether more pages follow; empty: none.
        total_path: Place of the number of records; empty: ``total`` of the envelope.
        pages_path: Place of the number of pages; empty: ``total_pages`` there.
    """

    style: PagingStyle
    page_param: str
    size_param: str
    size: int
    max_size: int
    next_path: Path = ()
    more_path: Path = ()
    total_path: Path = ()
    pages_path: Path = ()


@dataclass(frozen=True, slots=True)
class AuthStyle:
    """How a source is shown the credentials of its connection.

    Attributes:
        style: ``bearer``: ``Authorization: Bearer <password>``. ``api_key``: the
            password in a header field of its own. ``basic``: login and password.
        header: Header field of ``api_key``.
        prefix: What stands before the key there, blank included.
    """

    style: Literal["bearer", "api_key", "basic"] = "bearer"
    header: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class FieldMap:
    """One line of a mapping: unified column <- place in the record.

    Attributes:
        target: Column of the unified table.
        paths: Places to look, first present one wins. The single path ``("$rest",)``
            means every top-level field that no other line of the mapping reads.
        on_error: What an unusable value does; None takes the column's own rule.
        join: Text between the values of all paths, which make one together. None: the
            first present one is the value.
        skip_empty: An empty text is passed over in search of the first present one.
    """

    target: str
    paths: tuple[Path, ...]
    on_error: OnError | None = None
    join: str | None = None
    skip_empty: bool = False


@dataclass(frozen=True, slots=True)
class LinkMap:
    """Where a record names its parents of one kind, when it may have several.

    Attributes:
        parent: Unified table of the parents, e.g. ``contacts``.
        path: Place of their list in the record, the first one first.
        id_path: Place of a parent's id in an element of the list.
        type_path: Place of the kind of link there, or None.
    """

    parent: str
    path: Path
    id_path: Path
    type_path: Path | None = None


@dataclass(frozen=True, slots=True)
class KeyMap:
    """Where a record holds known keys of one kind: ids that others know it by.

    Attributes:
        kind: ``<source>.<entity>``, whose records have these ids; or a name alone, for
            what several systems write down and none gave, such as ``certificate``.
        paths: Places to look; each one counts.
    """

    kind: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Deletes:
    """How a full load decides that a record is gone.

    Attributes:
        confirm_path: Path of one record, with ``{id}``; absences are confirmed there
            by 404 or 410. None: an absence must be seen by two full loads.
        max_share: A load that misses more than this share of the rows stops instead.
    """

    confirm_path: str | None
    max_share: float


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of record of one source, and the unified table it fills.

    Attributes:
        source: Name of the source, e.g. ``genius``.
        name: Contract name, e.g. ``prospects``.
        aliases: Other names accepted in calls and commands.
        into: Unified table in schema ``warehouse``, e.g. ``contacts``.
        path: Path of the list endpoint under the base URL.
        records_path: Place of the record list in the answer's envelope.
        id_path: Place of the record's id.
        version_path: Place of the time the source last changed the record, or None.
        since_param: Query parameter, or searched property, for "changed since"; None
            when the API has none and every run reads everything.
        fields: The mapping.
        schedule: Cron of incremental runs (UTC), or None.
        full_schedule: Cron of full runs (UTC), or None.
        deletes: How deletions are found.
        also: Unified tables that each record fills besides, with their mappings.
        links: Parents of which a record may have several.
        endpoints: More paths of this entity, by the client's own words for them.
        associations: Kind of record -> path that tells which of them belong to a
            record; read by the client and put into the record.
        sensitive: Whether properties with sensitive data are loaded, too.
        merged_ids: Places where a record names those that were merged into it.
        created_param: Searched property for "created", by which a full load may be
            split into lanes; None: its list is walked.
        value_keys: Where a value may be an object: keys of which the first present
            one holds it.
        since_format: How the value of ``since_param`` is written.
        params: Query parameters of every request of the list.
        active_path: Place of a yes or no: whether the record exists in the source, or
            was deleted there. None: nothing says so.
        deleted_path: Place of what only a deleted record has: a yes, or a time. None:
            likewise.
        time_zone: Name of the zone of its times that name none; None: UTC.
        database: How it is read from the source's database, or None.
        csv: How it is read from files, or None.
        known_keys: Where a record says under which ids other systems know it.
    """

    source: str
    name: str
    aliases: tuple[str, ...]
    into: str
    path: str
    records_path: Path
    id_path: Path
    version_path: Path | None
    since_param: str | None
    fields: tuple[FieldMap, ...]
    schedule: str | None
    full_schedule: str | None
    deletes: Deletes
    also: dict[str, tuple[FieldMap, ...]] = field(default_factory=dict)
    links: tuple[LinkMap, ...] = ()
    endpoints: dict[str, str] = field(default_factory=dict)
    associations: dict[str, str] = field(default_factory=dict)
    sensitive: bool = False
    merged_ids: tuple[Path, ...] = ()
    created_param: str | None = None
    value_keys: tuple[str, ...] = ()
    since_format: SinceFormat = "iso"
    params: dict[str, str] = field(default_factory=dict)
    active_path: Path | None = None
    deleted_path: Path | None = None
    time_zone: str | None = None
    database: DatabaseWay | None = None
    csv: CsvWay | None = None
    known_keys: tuple[KeyMap, ...] = ()

    def views(self) -> "list[Entity]":
        """The entity as each unified table sees it: ``also``'s first, ``into`` last.

        In this order parents come before the children that the same record makes.
        """
        besides = [
            replace(self, into=into, fields=fields, also={}, links=(), known_keys=())
            for into, fields in self.also.items()
        ]
        return [*besides, self]

    @property
    def is_swept(self) -> bool:
        """Whether changes may escape every list: of associations, into the archive."""
        return bool(self.associations) or "read" in self.endpoints

    @property
    def raw_table(self) -> str:
        """Name of the table in schema ``raw`` that keeps the full payloads."""
        return f"{self.source}_{self.name}"

    @property
    def vias(self) -> tuple[Via, ...]:
        """Ways in that it has."""
        has = {"api": True, "database": self.database, "csv": self.csv}
        return tuple(via for via in VIAS if has[via])

    def crons(self, via: Via) -> tuple[str | None, str | None]:
        """Crons of incremental and of full runs by a way in."""
        if via == "database" and self.database is not None:
            return self.database.schedule, self.database.full_schedule
        return (self.schedule, self.full_schedule) if via == "api" else (None, None)

    @property
    def dag_id(self) -> str:
        """Contract name of the DAG that loads this entity through the API."""
        return self.dag_id_via("api")

    def dag_id_via(self, via: Via) -> str:
        """Contract name of the DAG that loads this entity by a way in."""
        dag_id = f"{self.source}__{self.name}"
        return dag_id if via == "api" else f"{dag_id}__{via}"


@dataclass(frozen=True, slots=True)
class Source:
    """One source system.

    Attributes:
        name: Contract name, also the default ``source_system`` of its rows.
        title: Name for people.
        owner: Who answers for it; shown in Airflow.
        client: Name of the client class in ``crm_warehouse.clients.registry``.
        connection: Airflow connection id.
        base_url: Where the API lives unless the connection says otherwise.
        quotas: All limits that hold at once, for the whole account.
        retry: Pauses between repetitions.
        paging: How lists are walked.
        timeout_seconds: Longest wait for one answer.
        lag: How late the API may show a change (index lag).
        clock_skew: How far clocks of source and warehouse may differ.
        max_concurrent: Entity runs of this source at the same time (Airflow pool).
        region: Two-letter country whose phone numbers need no prefix.
        entities: By contract name, in YAML order.
        webhooks: Whether the source announces changes by webhook.
        webhook_share: Share of each general quota that only their merges may use.
        reconcile_schedule: Cron of whole comparisons with the warehouse (UTC), or
            None: only when somebody asks for one.
        forgets: Whether it forgets old records, so that what it does not have any
            more may live.
        sweep_schedule: Cron of sweeps for what no list shows as changed (UTC).
        in_flight: Requests of one load that may be sent and not answered yet.
        account_path: Path that tells of the account, its time zone above all, or None.
        horizon: How long it keeps its records; None: for good. A full load finds no
            deletions then: what is missing may only be old.
        horizon_alarm: Age of a watermark from which on there is an alarm, so that it
            does not come to that.
        auth: How it is shown the credentials.
        headers: Header fields that every request carries besides; no secrets.
        database_connection: Airflow connection id of its database.
        time_zone: Name of the zone of its times that name none; None: UTC.
        profile: Which of its profiles this is; empty: the source's own API.
        profiles: Other APIs of the same source, each as a whole source.
    """

    name: str
    title: str
    owner: str
    client: str
    connection: str
    base_url: str
    quotas: tuple[Quota, ...]
    retry: Retry
    paging: Paging
    timeout_seconds: float
    lag: timedelta
    clock_skew: timedelta
    max_concurrent: int
    region: str
    entities: dict[str, Entity]
    webhooks: bool = False
    webhook_share: float = 0.0
    reconcile_schedule: str | None = "30 1 * * 6"
    forgets: bool = False
    sweep_schedule: str = "30 0 * * *"
    in_flight: int = 1
    account_path: str | None = None
    horizon: timedelta | None = None
    horizon_alarm: timedelta | None = None
    auth: AuthStyle = AuthStyle()
    headers: dict[str, str] = field(default_factory=dict)
    database_connection: str = ""
    time_zone: str | None = None
    profile: str = ""
    profiles: "dict[str, Source]" = field(default_factory=dict)

    @property
    def all_entities(self) -> dict[str, Entity]:
        """Entities that it or any of its profiles has: each has its DAG."""
        found = dict(self.entities)
        for profile in self.profiles.values():
            for name, entity in profile.entities.items():
                found.setdefault(name, entity)
        return found

    @property
    def overlap(self) -> timedelta:
        """How far a window reaches back into the previous one (law 1)."""
        return self.lag + self.clock_skew

    @property
    def pool(self) -> str:
        """Airflow pool that bounds how many runs of this source work at once."""
        return f"{self.name}_api"

    @property
    def connections(self) -> list[str]:
        """Airflow connection ids of its ways in."""
        by_database = any(each.database for each in self.entities.values())
        return [self.connection, *([self.database_connection] if by_database else [])]

    @property
    def announced(self) -> list[Entity]:
        """Entities that webhooks announce: their records are read in batches by id."""
        return [each for each in self.entities.values() if "read" in each.endpoints]

    def entity(self, name: str) -> Entity | None:
        """Entity by contract name or alias, of any profile; or None."""
        for entity in self.all_entities.values():
            if name == entity.name or name in entity.aliases:
                return entity
        return None


def with_profile(source: Source, name: str) -> Source:
    """The source as one of its profiles has it.

    Args:
        source: As its file has it.
        name: The profile; empty: the source's own API.

    Raises:
        ConfigurationError: It has no such profile.
    """
    if not name:
        return source
    if name not in source.profiles:
        known = ", ".join(source.profiles) or "none"
        raise ConfigurationError(
            f"source {source.name}: there is no profile {name!r}; known: {known}"
        )
    return source.profiles[name]
