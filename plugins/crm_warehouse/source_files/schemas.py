"""The schemas of ``include/sources/*.yaml``, from the inside out.

Loading gives the frozen objects of :mod:`crm_warehouse.spec`. The descriptions are
what editors show; ``docs/sources.md`` tells more.
"""

from datetime import timedelta
from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from crm_warehouse.source_files import key_places, mapping, names, values
from crm_warehouse.source_files.containers import Items, Named, Part, Variant
from crm_warehouse.source_files.csv_way import CsvSchema
from crm_warehouse.source_files.databases import DatabaseSchema, database_problems
from crm_warehouse.source_files.fields import Choice, Flag, Number, Text
from crm_warehouse.source_files.parts import (
    CursorPagingSchema,
    DeletesSchema,
    ExponentialSchema,
    FixedSchema,
    KeysetPagingSchema,
    LinkSchema,
    NumberedPagingSchema,
    OdataPagingSchema,
    QuotaSchema,
)
from crm_warehouse.source_files.profiles import changes_of
from crm_warehouse.source_files.rest_checks import parameter_problems, rest_problems
from crm_warehouse.source_files.rest_parts import (
    ApiKeySchema,
    BasicSchema,
    BearerSchema,
    LinkPagingSchema,
    NextUrlPagingSchema,
    OffsetPagingSchema,
    header_fields,
    query_params,
)
from crm_warehouse.source_files.strict import StrictSchema
from crm_warehouse.spec import AuthStyle, Deletes, Entity, LinkMap, Source
from crm_warehouse.unified import LINK_TABLES, UNIFIED
from crm_warehouse.ways_in import CsvWay


class EntitySchema(StrictSchema):
    """One kind of record and the unified table that it fills."""

    aliases = Items(
        "Other names accepted in calls and commands.",
        values.name("Another name."),
        default=(),
    )
    into = Choice("Unified table that the records fill.", UNIFIED)
    path = values.endpoint("List endpoint under the base URL, e.g. /contacts.")
    records = values.record_path(
        "Place of the record list in the answer.", attribute="records_path"
    )
    id = values.record_path("Place of the record's id.", attribute="id_path")
    version = values.record_path(
        "Place of the time at which the source last changed the record.",
        attribute="version_path",
        default=None,
    )
    since_param = values.words(
        "Query parameter, or searched property, for 'changed since'. Absent: every "
        "run reads everything.",
        default=None,
    )
    since_format = Choice(
        "How that time is written.", ("iso", "date", "epoch", "epoch_ms"), default="iso"
    )
    params = query_params("Query parameters of every request of the list.")
    created_param = values.words(
        "Searched property for 'created', by which a full load may be split. Absent: "
        "its list is walked.",
        default=None,
    )
    schedule = values.cron("Cron of incremental runs, in UTC.", default=None)
    full_schedule = values.cron("Cron of full runs, in UTC.", default=None)
    deletes = Part(
        "How a full load finds deletions.", DeletesSchema, default=Deletes(None, 0.2)
    )
    map = Named(
        "Unified column: place in the record.",
        Text("A column of the unified table."),
        mapping.Rule("Place of the value."),
        attribute="fields",
    )
    also = Named(
        "Unified tables that each record fills besides, with their mappings.",
        Choice("Another unified table.", UNIFIED),
        Named(
            "Unified column: place in the record.",
            Text("A column of the unified table."),
            mapping.Rule("Place of the value."),
        ),
        default={},
    )
    links = Named(
        "Parents of which a record may have several, by their unified table.",
        Choice("Unified table of the parents.", UNIFIED),
        Part("Where the record names them.", LinkSchema),
        default={},
    )
    endpoints = Named(
        "More paths of this entity, by the client's words for them.",
        values.name("The client's word."),
        values.endpoint("Path under the base URL."),
        default={},
    )
    associations = Named(
        "Kinds of records that belong to each record, and the path that tells which.",
        values.name("Kind of record, as the source calls it."),
        values.endpoint("Path under the base URL."),
        default={},
    )

    merged_ids = Items(
        "Places where a record lists the ids of those that were merged into it: id;id "
        "or id:time;id:time.",
        values.record_path("Place of such a list."),
        default=(),
    )
    known_keys = Named(
        "Kinds of keys under which other systems know a record, and where it holds "
        "them.",
        key_places.key_kind("Whose ids the keys are: <source>.<entity>, or a name."),
        key_places.KeyPlaces("Where the keys are: a path, or several."),
        default={},
    )
    active = values.record_path(
        "Place of a yes or no: whether the record exists, or was deleted in the "
        "source. Absent: nothing says so.",
        attribute="active_path",
        default=None,
    )
    deleted = values.record_path(
        "Place of what only a deleted record has: true, or the time of its deletion. "
        "Absent: nothing says so.",
        attribute="deleted_path",
        default=None,
    )
    sensitive = Flag(
        "Whether properties with sensitive data are loaded, too, as far as the "
        "credentials' scopes reach.",
        default=False,
    )
    database = Part(
        "How the records are read from the source's own database. Absent: not at all.",
        DatabaseSchema,
        default=None,
    )

    @validates_schema
    def _check_database(self, data: dict[str, Any], **_: Any) -> None:
        way = data["database"]
        if way is not None and (found := database_problems(way, data["id_path"])):
            raise ValidationError({"database": found})

    value_keys = Items(
        "Where a value may be an object that tells more about it: keys of which the "
        "first present one holds the value.",
        values.words("A key of such objects."),
        default=(),
    )

    csv = Part("How the entity is read from CSV files.", CsvSchema, default=None)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_map(
        self, data: dict[str, Any], original: dict[str, Any], **_: Any
    ) -> None:
        if "into" not in data:
            return
        problems: dict[str, Any] = {}
        loaded = data.get("fields", {})
        found = mapping.map_problems(data["into"], original.get("map"), loaded)
        if found:
            problems["map"] = found
        if found := _also_problems(data, original.get("also")):
            problems["also"] = found
        if found := _link_problems(data):
            problems["links"] = found
        if wrong := _csv_problems(data):
            problems["csv"] = wrong
        if problems:
            raise ValidationError(problems)


def _also_problems(data: dict[str, Any], original: Any) -> dict[str, Any]:
    problems: dict[str, Any] = {}
    for table, loaded in data.get("also", {}).items():
        if table == data["into"]:
            problems[table] = ["is the table of into already; map it there"]
        elif found := mapping.map_problems(table, original[table], loaded):
            problems[table] = found
    return problems


def _link_problems(data: dict[str, Any]) -> dict[str, Any]:
    return {
        parent: [f"{data['into']} have no table of links to {parent}"]
        for parent in data.get("links", {})
        if (data["into"], parent) not in LINK_TABLES
    }


def _csv_problems(data: dict[str, Any]) -> list[str]:
    way, path = data.get("csv"), data.get("id_path")
    if not isinstance(way, CsvWay) or path is None:
        return []  # wrong in itself, or not there
    if len(path) == 1 and path[0] in way.columns:
        return []
    return ["columns must name the record's id, which stands at its top"]


class SourceSchema(StrictSchema):
    """A file of include/sources: one source system and its entities."""

    source = values.name("Name of the source; also the source_system of its rows.")
    title = values.words("Name for people.")
    owner = values.words("Who answers for it; shown in Airflow.")
    client = values.name("Name of the client class in crm_warehouse.clients.registry.")
    connection = values.name("Airflow connection with the credentials.")
    base_url = values.address("Where the API lives unless the connection says so.")
    auth = Variant(
        "How the source is shown the credentials. Absent: as a bearer token.",
        "style",
        {"bearer": BearerSchema, "basic": BasicSchema, "api_key": ApiKeySchema},
        default=AuthStyle(),
    )
    headers = header_fields("Header fields that every request carries; no secrets.")
    quotas = Items(
        "All limits that hold at once, for the whole account.",
        Part("One limit.", QuotaSchema),
        minimum=1,
        unique_by=lambda quota: quota.name,
    )
    retry = Variant(
        "Pauses before a request that failed for a passing reason is repeated.",
        "strategy",
        {"exponential": ExponentialSchema, "fixed": FixedSchema},
    )
    paging = Variant(
        "How list endpoints are walked.",
        "style",
        {
            "number": NumberedPagingSchema,
            "cursor": CursorPagingSchema,
            "offset": OffsetPagingSchema,
            "next_url": NextUrlPagingSchema,
            "link": LinkPagingSchema,
            "keyset": KeysetPagingSchema,
            "odata": OdataPagingSchema,
        },
    )
    timeout = values.seconds(
        "Longest wait for one answer.", attribute="timeout_seconds", default=30.0
    )
    lag = values.span("How late the API may show a change; 0s when at once.")
    clock_skew = values.span("How far the source's clock may be off.")
    max_concurrent = Number("Runs of this source at the same time.", 1, 100)
    in_flight = Number(
        "Requests of one load that may be sent and not answered yet.", 1, 8, default=1
    )
    region = Text(
        "Country whose phone numbers need no prefix.",
        pattern=r"[A-Z]{2}",
        hint="is no country; write two capital letters, e.g. US",
    )
    time_zone = values.time_zone(
        "Zone of times that name none, e.g. America/New_York. Absent: UTC.",
        default=None,
    )
    account = values.endpoint(
        "Path that tells of the account: its time zone, at whose midnight a quota of a "
        "day begins anew. Absent: any 24 hours count.",
        attribute="account_path",
        default=None,
    )
    database_connection = values.name(
        "Airflow connection of the source's database. Absent: <source>_database.",
        default="",
    )
    webhooks = Flag("Whether the source announces changes by webhook.", default=False)
    webhook_share = Number(
        "Share of each quota of every kind of request that only merges of webhooks may "
        "use.",
        0,
        0.9,
        whole=False,
        default=0.1,
    )
    reconcile_schedule = values.cron(
        "Cron of whole comparisons with the warehouse, in UTC; null: none.",
        default="30 1 * * 6",
        nullable=True,
    )
    sweep_schedule = values.cron(
        "Cron of sweeps for what no list shows as changed, in UTC.",
        default="30 0 * * *",
    )
    forgets = Flag(
        "Whether the source forgets what is old, so that what it does not have any "
        "more is no deletion.",
        default=False,
    )
    horizon = values.span(
        "How long the source keeps its records. Absent: for good.", default=None
    )
    horizon_alarm = values.span(
        "How old a watermark may become before there is an alarm; less than horizon.",
        default=None,
    )
    entities = Named(
        "The kinds of records, by name.",
        values.name("Name of an entity."),
        Part("One kind of record.", EntitySchema),
    )
    profiles = changes_of(
        values.name("Name of a profile, as a connection's extra names it."),
        "Other APIs of the same source, by name: what they have other than it.",
    )

    @validates_schema(pass_original=True)
    def _check_share(self, data: dict[str, Any], original: Any, **_: Any) -> None:
        if "webhook_share" in original and not data["webhooks"]:
            raise ValidationError("goes with webhooks: true", "webhook_share")

    @validates_schema
    def _check_horizon(self, data: dict[str, Any], **_: Any) -> None:
        horizon, alarm = data["horizon"], data["horizon_alarm"]
        if horizon is not None and alarm is None:
            raise ValidationError("is missing: it goes with horizon", "horizon_alarm")
        if alarm is not None and horizon is None:
            raise ValidationError("is missing: it goes with horizon_alarm", "horizon")
        if horizon is not None and not data["forgets"]:
            raise ValidationError("goes with forgets: true", "horizon")
        if horizon is not None and not timedelta() < alarm < horizon:
            raise ValidationError("must be shorter than horizon", "horizon_alarm")

    @validates_schema
    def _check_full_loads(self, data: dict[str, Any], **_: Any) -> None:
        full = [
            name for name, each in data["entities"].items() if each["full_schedule"]
        ]
        if data["forgets"] and full:
            problem = [
                "does not go with forgets: true; full loads mark what is missing"
            ]
            places = {name: {"full_schedule": problem} for name in full}
            raise ValidationError({"entities": places})

    @validates_schema
    def _check_rest(self, data: dict[str, Any], **_: Any) -> None:
        if found := rest_problems(data):
            raise ValidationError(found)

    @validates_schema
    def _check_parameters(self, data: dict[str, Any], **_: Any) -> None:
        if found := parameter_problems(data):
            raise ValidationError({"entities": found})

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_names(self, _data: Any, original: dict[str, Any], **_: Any) -> None:
        if found := names.name_problems(original):
            raise ValidationError({"entities": found})

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Source:
        name = data.pop("source")
        del data["profiles"]  # loaded one by one, with what they change
        data["database_connection"] = data["database_connection"] or f"{name}_database"
        if not data["webhooks"]:
            data["webhook_share"] = 0.0
        entities = {
            key: Entity(
                source=name,
                name=key,
                time_zone=data["time_zone"],
                **parts | _mapped(parts),
            )
            for key, parts in data.pop("entities").items()
        }
        return Source(name=name, entities=entities, **data)


def _mapped(parts: dict[str, Any]) -> dict[str, Any]:
    """The loaded mappings of an entity as objects."""
    return {
        "fields": mapping.field_maps(parts["fields"]),
        "also": {
            into: mapping.field_maps(lines) for into, lines in parts["also"].items()
        },
        "links": tuple(
            LinkMap(parent, **places) for parent, places in parts["links"].items()
        ),
        "known_keys": key_places.key_maps(parts["known_keys"]),
    }
