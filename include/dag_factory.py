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

from crm_warehouse.clients.registry import announced
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.operators.configuration_error import ConfigurationErrorOperator
from crm_warehouse.operators.maintenance import (
    MaintainOperator,
    MaintenanceSensor,
    RecoverOperator,
    StartRunOperator,
)
from crm_warehouse.operators.reprocess import ALL, ReprocessOperator
from crm_warehouse.operators.retry import RETRIES, SyncRetryPolicy
from crm_warehouse.operators.sync import SyncOperator
from crm_warehouse.operators.webhooks import MergeWebhooksOperator, WebhookSensor
from crm_warehouse.source_files import load_source
from crm_warehouse.spec import GUARDS, MODES, Entity, Source, Via
from include.csv_dags import csv_dag
from include.dag_docs import (
    GUARD_WORDS,
    REPROCESS_DOC,
    broken_source_doc,
    entity_doc,
    webhooks_doc,
)
from include.maintenance_docs import MAINTENANCE_DOC, recover_doc
from include.reconcile_dags import reconcile_dag, sweep_dag

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

#: Pauses before a task comes again whose process was killed: nothing was raised then
#: that the retry policy could judge, and neither source nor database is at fault. First
#: 3 to 6 s, then twice as long, and never longer than what a kill may cost.
AFTER_A_KILL: dict[str, Any] = {
    "retry_delay": timedelta(seconds=3),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(seconds=15),
}

#: How long after a cron time a DAG seen for the first time may still start its run,
#: so that a time reached while the file is parsed is not lost.
FIRST_RUN_GRACE = timedelta(minutes=1)

#: The DAG that heals; and how many jobs of one source are taken up side by side, within
#: the source's pool.
MAINTENANCE = "warehouse__maintenance"
MOST_RECOVERIES = 16

#: The DAG that maps again what is in quarantine.
REPROCESS = "warehouse__reprocess"

Builder = Callable[[], DAG]


def dag_builders(directory: Path = SOURCES_DIRECTORY) -> dict[str, Builder]:
    """All DAGs of the bundle, unbuilt, by DAG id.

    A file that is wrong costs only its own source: instead of that source's DAGs there
    is one DAG ``<file>__configuration_error``, whose runs fail with the reasons.

    Args:
        directory: Where the YAML files are.
    """
    builders: dict[str, Builder] = {}
    sources: list[Source] = []
    for path in sorted(directory.glob("*.yaml")):
        try:
            source = _load_new(path, builders.keys())
        except ConfigurationError as error:
            stem = re.sub("[^A-Za-z0-9_.-]", "_", path.stem)
            dag_id = f"{stem}__configuration_error"
            builders[dag_id] = partial(_broken_dag, dag_id, path.name, error.problems)
            continue
        for entity in source.all_entities.values():
            builders[entity.dag_id] = partial(_entity_dag, source, entity)
            if entity.database is not None:
                dag_id = entity.dag_id_via("database")
                builders[dag_id] = partial(_entity_dag, source, entity, "database")
            if entity.csv is not None:
                builders[entity.dag_id_via("csv")] = partial(_csv_dag, source, entity)
        if source.webhooks:
            dag_id = f"{source.name}__webhooks"
            builders[dag_id] = partial(_webhooks_dag, dag_id, source)
        builders |= _reconcile_builders(source)
        dag_id = f"{source.name}__recover"
        builders[dag_id] = partial(_recover_dag, dag_id, source)
        sources.append(source)
    if sources:
        builders[MAINTENANCE] = partial(_maintenance_dag, tuple(sources))
        builders[REPROCESS] = partial(_reprocess_dag, tuple(sources))
    return builders


def _load_new(path: Path, known: Collection[str]) -> Source:
    source = load_source(path)
    if any(entity.dag_id in known for entity in source.all_entities.values()):
        raise ConfigurationError(
            f"{path.name}: source '{source.name}' is defined in another file already; "
            "give it another name"
        )
    return source


def _entity_dag(source: Source, entity: Entity, via: Via = "api") -> DAG:
    table = f"warehouse.{entity.into}"
    origin = source.title if via == "api" else f"{source.title}'s {via}"
    with DAG(
        entity.dag_id_via(via),
        description=f"{origin}: {entity.name} into {table}",
        doc_md=entity_doc(source, entity, via),
        schedule=_schedule(*entity.crons(via)),
        catchup=False,
        allowed_run_types=RUN_TYPES,
        max_active_runs=1,
        dagrun_timeout=RUN_TIMEOUT,
        params=_params(source, via),
        tags={source.name, entity.name, "crm", *({via} - {"api"})},
    ) as dag:
        SyncOperator(
            task_id="sync",
            source=source,
            entity=entity,
            via=via,
            owner=source.owner,
            pool=source.pool,
            retries=RETRIES,
            retry_policy=SyncRetryPolicy(),
            execution_timeout=STRETCH_TIMEOUT,
            outlets=_assets(entity),
            **AFTER_A_KILL,
        )
    return dag


def _reconcile_builders(source: Source) -> dict[str, Builder]:
    """DAGs that compare the source with the warehouse."""
    dags = {
        "catchup": False,
        "allowed_run_types": RUN_TYPES,
        "max_active_runs": 1,
        "dagrun_timeout": RUN_TIMEOUT,
    }

    def tasks(entity: Entity) -> dict[str, Any]:
        return {
            "owner": source.owner,
            "pool": source.pool,
            "retries": RETRIES,
            "retry_policy": SyncRetryPolicy(),
            "execution_timeout": STRETCH_TIMEOUT,
            "outlets": _assets(entity),
            **AFTER_A_KILL,
        }

    dag_id = f"{source.name}__reconcile"
    found = {dag_id: partial(reconcile_dag, dag_id, source, dags, tasks)}
    if any(entity.is_swept for entity in source.all_entities.values()):
        dag_id = f"{source.name}__sweep"
        found[dag_id] = partial(sweep_dag, dag_id, source, dags, tasks)
    return dict(found)


def _csv_dag(source: Source, entity: Entity) -> DAG:
    dags = {
        "start_date": LONG_AGO,
        "catchup": False,
        "allowed_run_types": RUN_TYPES,
        "max_active_runs": 1,
        "dagrun_timeout": QUIET_TIMEOUT + RUN_TIMEOUT,
    }
    work = {"execution_timeout": STRETCH_TIMEOUT, "outlets": _assets(entity)}
    return csv_dag(source, entity, QUIET_TIMEOUT, dags, _common(source), work)


def _common(source: Source) -> dict[str, Any]:
    """Arguments of tasks that are about a source."""
    return {
        "source": source,
        "owner": source.owner,
        "retries": RETRIES,
        "retry_policy": SyncRetryPolicy(),
        **AFTER_A_KILL,
    }


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
        common = _common(source)
        wait = WebhookSensor(
            task_id="wait",
            work_task_id="merge",
            timeout=QUIET_TIMEOUT.total_seconds(),
            **common,
        )
        # Not in the source's pool: long loads there must not keep webhooks waiting.
        merge = MergeWebhooksOperator(
            task_id="merge",
            execution_timeout=STRETCH_TIMEOUT,
            outlets=_assets(*announced(source)),
            **common,
        )
        wait >> merge
    return dag


def _maintenance_dag(sources: tuple[Source, ...]) -> DAG:
    with DAG(
        MAINTENANCE,
        description="Takes up what is stuck, closes gaps, deletes what is old",
        doc_md=MAINTENANCE_DOC,
        # The next run begins when one ends, and waits again.
        schedule="@continuous",
        start_date=LONG_AGO,
        catchup=False,
        # Whoever forgets to switch it on would learn it when something is stuck.
        is_paused_upon_creation=False,
        allowed_run_types=RUN_TYPES,
        max_active_runs=1,
        dagrun_timeout=QUIET_TIMEOUT + STRETCH_TIMEOUT,
        tags={"maintenance", "crm"},
    ) as dag:
        retries: dict[str, Any] = {
            "retries": RETRIES,
            "retry_policy": SyncRetryPolicy(),
            **AFTER_A_KILL,
        }
        wait = MaintenanceSensor(
            task_id="wait",
            sources=sources,
            work_task_id="heal",
            timeout=QUIET_TIMEOUT.total_seconds(),
            **retries,
        )
        heal = MaintainOperator(
            task_id="heal",
            sources=sources,
            extent="{{ ti.xcom_pull(task_ids='wait') }}",
            execution_timeout=STRETCH_TIMEOUT,
            **retries,
        )
        start = StartRunOperator.partial(task_id="start", **retries)
        wait >> heal
        start.expand_kwargs(heal.output)
    return dag


def _reprocess_dag(sources: tuple[Source, ...]) -> DAG:
    with DAG(
        REPROCESS,
        description="Maps again what is in quarantine, without asking any source",
        doc_md=REPROCESS_DOC,
        schedule=None,
        is_paused_upon_creation=False,
        allowed_run_types=RUN_TYPES,
        max_active_runs=1,
        dagrun_timeout=RUN_TIMEOUT,
        params={
            "source": Param(
                ALL,
                type="string",
                enum=[ALL, *(source.name for source in sources)],
                title="Source",
                description="Only this source.",
            ),
            "entity": Param(
                ALL,
                type="string",
                enum=[ALL, *sorted({name for s in sources for name in s.all_entities})],
                title="Entity",
                description="Only this entity; the source must be chosen too.",
            ),
        },
        tags={"quarantine", "crm"},
    ) as dag:
        ReprocessOperator(
            task_id="reprocess",
            sources=sources,
            retries=RETRIES,
            retry_policy=SyncRetryPolicy(),
            execution_timeout=STRETCH_TIMEOUT,
            **AFTER_A_KILL,
        )
    return dag


def _recover_dag(dag_id: str, source: Source) -> DAG:
    with DAG(
        dag_id,
        description=f"{source.title}: one load that nobody works on any more",
        doc_md=recover_doc(source),
        schedule=None,
        is_paused_upon_creation=False,
        allowed_run_types=RUN_TYPES,
        max_active_runs=MOST_RECOVERIES,
        dagrun_timeout=RUN_TIMEOUT,
        params={
            "job_id": Param(
                None,
                type=["null", "integer"],
                title="Job",
                description="Job in ops.sync_jobs that is to go on; empty for webhooks "
                "only.",
            ),
            "entity": Param(
                type="string",
                enum=[*source.all_entities, *(["webhooks"] if source.webhooks else [])],
                title="Entity",
                description="Entity of the job; webhooks: merge what waits.",
            ),
        },
        tags={source.name, "maintenance", "crm"},
    ) as dag:
        RecoverOperator(
            task_id="recover",
            pool=source.pool,
            execution_timeout=STRETCH_TIMEOUT,
            outlets=_assets(*source.all_entities.values()),
            **_common(source),
        )
    return dag


def _assets(*entities: Entity) -> list[Asset]:
    """The unified tables that entities fill."""
    tables = sorted({view.into for entity in entities for view in entity.views()})
    root = "postgres://crm_warehouse/warehouse/warehouse"
    return [Asset(f"warehouse.{table}", f"{root}/{table}") for table in tables]


def _schedule(*given: str | None) -> MultipleCronTriggerTimetable | None:
    crons = [cron for cron in given if cron]
    if not crons:
        return None
    # One timetable and no start date: a DAG seen for the first time waits for its next
    # time, so that a run by hand can come first. Which runs are full: the operator.
    return MultipleCronTriggerTimetable(
        *crons, timezone="UTC", run_immediately=FIRST_RUN_GRACE
    )


def _params(source: Source, via: Via) -> dict[str, Param]:
    most = max(each.paging.max_size for each in (source, *source.profiles.values()))
    bound = f"This API allows {most} at most." if via == "api" else f"At most {most}."
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
            maximum=most,
            title="Batch size",
            description="Records asked for per request; empty: "
            f"{source.paging.size} unless the configuration says otherwise. {bound}",
        ),
        "override": Param(
            [],
            type=["null", "array"],  # null is what the form makes of an emptied list
            items={"type": "string", "enum": list(GUARDS)},
            examples=list(GUARDS),  # what the form offers to pick from
            values_display=GUARD_WORDS,
            title="Override",
            description="Guards that this run ignores, after you have looked: it goes "
            "on where such a guard stopped the run before. mass_delete and empty_list "
            "need mode full.",
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
