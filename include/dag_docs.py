"""What the UI shows about a DAG to somebody who has to work with it."""

from crm_warehouse.spec import Entity, Quota, Source

_ENTITY = """\
### {title}: {name}

Loads **{name}** from the {title} API (`{path}`) into **`{table}`**; the payloads as \
received are in `{raw}`.

| | |
|---|---|
| Incremental | {incremental} |
| Full | {full} |
| Quota of the account | {quotas}, shared by everything that asks this API |
| Connection | `{connection}` |
| Owner | {owner} |

**By hand:** *Trigger*, then choose a mode. `incremental` reads what changed since the \
last run, `full` reads everything and marks what is gone, `replay` maps the stored \
payloads again without asking the API. `since` and `batch_size` may stay empty.

**Same from a terminal:** \
`python -m crm_warehouse sync --source {source} --entity {name}`

**Colours:** green: loaded, maybe with rejected records (the log and the asset event \
say how many); violet: waits for quota, goes on by itself; yellow: a passing fault, \
tried again by itself; red: read the log's last error, it says what to do; pink: \
switched off in `ops.sync_configurations`.
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

**By hand:** `python -m crm_warehouse webhooks merge --source {source}`

**Colours:** `wait` violet: no webhooks, all is well; `merge` green: merged; both \
pink: none came for six hours; `merge` violet: waits for quota; yellow: a passing \
fault, tried again by itself; red: read the log's last error, it says what to do. The \
webhooks are kept: the next run rests for 15 minutes, then merges them too.
"""

_BROKEN = """\
### `include/sources/{file}` is wrong

The DAGs of this source are missing until the file is corrected. Other sources are not \
concerned. `python -m crm_warehouse validate` checks the file without Airflow.

{problems}
"""


def entity_doc(source: Source, entity: Entity) -> str:
    """Markdown about the DAG of one entity."""
    return _ENTITY.format(
        title=source.title,
        source=source.name,
        name=entity.name,
        path=entity.path,
        table=f"warehouse.{entity.into}",
        raw=f"raw.{entity.raw_table}",
        incremental=_cron(entity.schedule),
        full=_cron(entity.full_schedule),
        quotas=", ".join(map(_quota, source.quotas)) or "none",
        connection=source.connection,
        owner=source.owner,
    )


def webhooks_doc(source: Source) -> str:
    """Markdown about the DAG that merges a source's webhooks."""
    entities = source.entities.values()
    tables = sorted({view.into for entity in entities for view in entity.views()})
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


def _quota(quota: Quota) -> str:
    return f"{quota.requests:,} requests in {quota.per_seconds:g} s"
