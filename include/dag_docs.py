"""What the UI shows about a DAG to somebody who has to work with it."""

from crm_warehouse.clients.registry import announced
from crm_warehouse.spec import Entity, Quota, Source, Via
from crm_warehouse.unified import LINK_TABLES

#: What each guard says, for the trigger form.
GUARD_WORDS = {
    "mass_delete": "mass_delete: so many records are really gone",
    "empty_list": "empty_list: the source really has no record any more",
    "volume": "volume: so much has really changed",
    "schema_break": "schema_break: the fields are really empty, or of no use",
}

_UNITS = {"d": 86_400, "h": 3_600, "min": 60}

_ENTITY = """\
### {title}: {name}

Loads **{name}** from {origin} into {tables}; the payloads as \
received are in `{raw}`.

| | |
|---|---|
| Incremental | {incremental} |
| Full | {full} |
| Quota of the account | {quotas} |
| Connection | `{connection}` |
| Owner | {owner} |

**By hand:** *Trigger*, then choose a mode. `incremental` reads what changed since the \
last run, `full` reads everything and marks what is gone, `replay` maps the stored \
payloads again without asking the source. `since` and `batch_size` may stay empty. \
`override` lets this run pass a guard that stopped one before, once you have looked.

**Same from a terminal:** \
`.venv/bin/python -m crm_warehouse sync --source {source} --entity {name}{via}`

**Colours:** green: loaded, maybe with rejected records (the log and the asset event \
say how many); violet: waits for quota, goes on by itself; yellow: a passing fault, \
tried again by itself; red: read the log's last error, it says what to do; pink: \
switched off in `ops.sync_configurations`, or a scope is missing: the log names it; \
give it to the app, then trigger.
"""

_WEBHOOKS = """\
### {title}: webhooks

Merges what the webhooks of {title} announce, seconds after the receiver has kept \
them. Always on: `wait` waits without a worker slot, `merge` reads each record \
concerned and writes it as a load does; then the next run begins to wait. Nothing to \
trigger, and no parameters.

| | |
|---|---|
| Inbox | `staging.webhook_deliveries`, `staging.webhook_events` |
| Fills | {tables} |
| Connection | `{connection}` |
| Owner | {owner} |

**By hand:** `.venv/bin/python -m crm_warehouse webhooks merge --source {source}`

**Colours:** `wait` violet: no webhooks, all is well; `merge` green: merged; both \
pink: none came for six hours; `merge` violet: waits for quota; yellow: a passing \
fault, tried again by itself; red: read the log's last error, it says what to do. The \
webhooks are kept: an entity that was refused rests for 15 minutes, others go on; \
where nothing could be merged, the next run rests for as long.
"""

REPROCESS_DOC = """\
### Reprocess

Maps again what is in quarantine, from stored data, with the mapping and the \
validation rules as they are now. What passes is merged and resolved, what does not \
stays. Asks no source, and touches nothing else: rows that a new rule concerns need \
`replay` in the DAG of their entity.

**By hand:** *Trigger*; without a choice it is everything that is open. \
The log and the result tell what became of each entity's records.

**Same from a terminal:** \
`.venv/bin/python -m crm_warehouse quarantine retry --source genius --entity prospects`

**Colours:** green: tried, whatever stays in quarantine; yellow: another job of an \
entity is at work, tried again by itself; red: read the log, it says what to do.
"""

_BROKEN = """\
### `include/sources/{file}` is wrong

The DAGs of this source are missing until the file is corrected. Other sources are not \
concerned. `.venv/bin/python -m crm_warehouse validate` checks the file without Airflow.

{problems}
"""


def entity_doc(source: Source, entity: Entity, via: Via = "api") -> str:
    """Markdown about the DAG of one entity and way in."""
    incremental, full = entity.crons(via)
    origin, quotas = f"the {source.title} API (`{entity.path}`)", _quotas(source.quotas)
    connection = source.connection
    if via == "database" and entity.database is not None:
        origin = f"table `{entity.database.table}` of {source.title}'s database"
        quotas, connection = "none", source.database_connection
    return _ENTITY.format(
        title=source.title,
        source=source.name,
        name=entity.name,
        origin=origin,
        tables=", ".join(f"**`warehouse.{table}`**" for table in _tables(entity)),
        raw=f"raw.{entity.raw_table}",
        incremental=_cron(incremental),
        full=_cron(full),
        quotas=quotas,
        connection=connection,
        owner=source.owner,
        via="" if via == "api" else f" --via {via}",
    )


def webhooks_doc(source: Source) -> str:
    """Markdown about the DAG that merges a source's webhooks."""
    tables = sorted({t for e in announced(source) for t in _tables(e)})
    return _WEBHOOKS.format(
        title=source.title,
        source=source.name,
        tables=", ".join(f"`warehouse.{table}`" for table in tables),
        connection=source.connection,
        owner=source.owner,
    )


def broken_source_doc(file_name: str, problems: tuple[str, ...]) -> str:
    """Markdown about a file of ``include/sources`` that is wrong.

    Args:
        file_name: Name of the file.
        problems: One line each.
    """
    lines = "\n".join(f"    {problem}" for problem in problems)
    return _BROKEN.format(file=file_name, problems=lines)


def _cron(cron: str | None) -> str:
    return f"`{cron}` (UTC)" if cron else "by hand only"


def _tables(entity: Entity) -> list[str]:
    """Tables of schema ``warehouse`` that the entity fills, its own first."""
    views = [view.into for view in reversed(entity.views())]
    links = [LINK_TABLES[entity.into, link.parent].name for link in entity.links]
    return [*views, *links]


def _quotas(quotas: tuple[Quota, ...]) -> str:
    shared = ", ".join(_quota(quota) for quota in quotas if not quota.kind)
    parts = [f"{shared}, shared by everything that asks this API"] if shared else []
    parts += [f"{_quota(q)} for `{q.kind}` requests only" for q in quotas if q.kind]
    return "; ".join(parts) or "none"


def _quota(quota: Quota) -> str:
    return f"{quota.requests:,} requests in {_span(quota.per_seconds)}"


def _span(seconds: float) -> str:
    for unit, size in _UNITS.items():
        if seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
