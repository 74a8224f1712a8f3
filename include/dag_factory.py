"""Definitions of sources become DAGs: one template, one DAG an entity.

Parsed again and again by Airflow, so nothing here may be slow or reach out: no
database, no network, no Airflow variable or connection, no heavy import.
"""

import os
import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, MultipleCronTriggerTimetable, Param

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.operators.configuration_error import ConfigurationErrorOperator
from crm_warehouse.operators.retry import DELAYS, SyncRetryPolicy
from crm_warehouse.operators.sync import SyncOperator
from crm_warehouse.operators.webhooks import MergeWebhooksOperator, WebhookSensor
from crm_warehouse.source_files import load_source
from crm_warehouse.spec import MODES, Entity, Source
from include.dag_docs import broken_source_doc, entity_doc, webhooks_doc

#: Beside this file rather than beside the package: a versioned bundle has its own.
SOURCES_DIRECTORY = Path(
    os.environ.get("CRM_WAREHOUSE_SOURCES") or Path(__file__).parent / "sources"
)

#: Everything but a backfill: a window is the watermark's, not a data interval's.
#: Words, which Airflow converts: the enum that its signature names is not public.
RUN_TYPES: Any = ("scheduled", "manual", "operator_triggered", "asset_materialization")

#: A first full load may wait for quota for hours, without a worker slot.
RUN_TIMEOUT = timedelta(hours=24)

#: One stretch between two waits. Requests and statements have their own, shorter
#: limits; this ends what hangs in spite of them. The next try resumes.
STRETCH_TIMEOUT = timedelta(hours=6)

#: A run that no webhook comes for ends after this time, and the next one waits on: so
#: that a run, and the version of the bundle it belongs to, never grows old.
QUIET_TIMEOUT = timedelta(hours=6)

#: Where the first run of a DAG that always runs begins. Without it that run would have
#: no length, and so the second one the same logical date: Airflow would never start it.
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

#: How long after a cron time a DAG seen for the first time may still start its run,
#: so that a time reached while the file is parsed is not lost.
FIRST_RUN_GRACE = timedelta(minutes=1)

Builder = Callable[[], DAG]


def dag_builders(directory: Path = SOURCES_DIRECTORY) -> dict[str, Builder]:
    """All DAGs of the bundle, unbuilt, by DAG id.

    A file that is wrong costs only its own source: instead of that source's DAGs there
    is one DAG ``<file>__configuration_error``, whose runs fail with the reasons.

    Args:
        directory: Where the YAML files are.
    """
    builders: dict[str, Builder] = {}
    for path in sorted(directory.glob("*.yaml")):
        try:
            source = _load_new(path, builders.keys())
        except ConfigurationError as error:
            stem = re.sub("[^A-Za-z0-9_.-]", "_", path.stem)
            dag_id = f"{stem}__configuration_error"
            builders[dag_id] = partial(_broken_dag, dag_id, path.name, error.problems)
            continue
        for entity in source.entities.values():
            builders[entity.dag_id] = partial(_entity_dag, source, entity)
        if source.webhooks:
            dag_id = f"{source.name}__webhooks"
            builders[dag_id] = partial(_webhooks_dag, dag_id, source)
    return builders


def _load_new(path: Path, known: Collection[str]) -> Source:
    source = load_source(path)
    if any(entity.dag_id in known for entity in source.entities.values()):
        raise ConfigurationError(
            f"{path.name}: source '{source.name}' is defined in another file already; "
            "give it another name"
        )
    return source


def _entity_dag(source: Source, entity: Entity) -> DAG:
    table = f"warehouse.{entity.into}"
    with DAG(
        entity.dag_id,
        description=f"{source.title}: {entity.name} into {table}",
        doc_md=entity_doc(source, entity),
        schedule=_schedule(entity),
        catchup=False,
        allowed_run_types=RUN_TYPES,
        max_active_runs=1,
        dagrun_timeout=RUN_TIMEOUT,
        params=_params(source),
        tags={source.name, entity.name, "crm"},
    ) as dag:
        SyncOperator(
            task_id="sync",
            source=source,
            entity=entity,
            owner=source.owner,
            pool=source.pool,
            retries=len(DELAYS),
            retry_policy=SyncRetryPolicy(),
            execution_timeout=STRETCH_TIMEOUT,
            outlets=_assets(entity),
        )
    return dag


def _webhooks_dag(dag_id: str, source: Source) -> DAG:
    with DAG(
        dag_id,
        description=f"{source.title}: what its webhooks announce",
        doc_md=webhooks_doc(source),
        # The next run begins when one ends, and waits again.
        schedule="@continuous",
        start_date=LONG_AGO,
        catchup=False,
        allowed_run_types=RUN_TYPES,
        max_active_runs=1,
        dagrun_timeout=QUIET_TIMEOUT + RUN_TIMEOUT,
        tags={source.name, "webhooks", "crm"},
    ) as dag:
        common: dict[str, Any] = {
            "source": source,
            "owner": source.owner,
            "retries": len(DELAYS),
            "retry_policy": SyncRetryPolicy(),
        }
        wait = WebhookSensor(
            task_id="wait",
            merge_task_id="merge",
            timeout=QUIET_TIMEOUT.total_seconds(),
            **common,
        )
        # Not in the source's pool: long loads there must not keep webhooks waiting.
        merge = MergeWebhooksOperator(
            task_id="merge",
            execution_timeout=STRETCH_TIMEOUT,
            outlets=_assets(*source.entities.values()),
            **common,
        )
        wait >> merge
    return dag


def _assets(*entities: Entity) -> list[Asset]:
    """The unified tables that entities fill."""
    tables = sorted({view.into for entity in entities for view in entity.views()})
    root = "postgres://crm_warehouse/warehouse/warehouse"
    return [Asset(f"warehouse.{table}", f"{root}/{table}") for table in tables]


def _schedule(entity: Entity) -> MultipleCronTriggerTimetable | None:
    crons = [cron for cron in (entity.schedule, entity.full_schedule) if cron]
    if not crons:
        return None
    # One timetable and no start date: a DAG seen for the first time waits for its next
    # time, so that a run by hand can come first. Which runs are full: the operator.
    return MultipleCronTriggerTimetable(
        *crons, timezone="UTC", run_immediately=FIRST_RUN_GRACE
    )


def _params(source: Source) -> dict[str, Param]:
    return {
        "mode": Param(
            "incremental",
            type="string",
            enum=list(MODES),
            title="Mode",
            values_display={
                "incremental": "incremental: what changed since the last run",
                "full": "full: everything, and find what was deleted",
                "replay": "replay: map the stored payloads again, without the API",
            },
            description="What to load.",
        ),
        "since": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Since",
            description="Incremental only: load changes from this time on, instead of "
            "from where the last run ended. Without an offset it is UTC.",
        ),
        "batch_size": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=source.paging.max_size,
            title="Batch size",
            description="Records asked for per request; empty: "
            f"{source.paging.size} unless the configuration says otherwise. "
            f"This API allows {source.paging.max_size} at most.",
        ),
    }


def _broken_dag(dag_id: str, file_name: str, problems: tuple[str, ...]) -> DAG:
    with DAG(
        dag_id,
        description=f"include/sources/{file_name} is wrong; its DAGs are missing",
        doc_md=broken_source_doc(file_name, problems),
        # Fails every hour, so that whoever is told of failures is told of this one.
        schedule="@hourly",
        catchup=False,
        is_paused_upon_creation=False,
        allowed_run_types=RUN_TYPES,
        max_active_runs=1,
        tags={"crm", "configuration error"},
    ) as dag:
        ConfigurationErrorOperator(task_id="explain", problems=problems)
    return dag
