"""DAGs that compare sources with the warehouse: weekly whole, daily in a sweep."""

from collections.abc import Callable
from typing import Any

from airflow.sdk import DAG, MultipleCronTriggerTimetable, Param

from crm_warehouse.operators.reconcile import ReconcileOperator
from crm_warehouse.operators.reprocess import ALL
from crm_warehouse.spec import REPAIR_GUARDS, Entity, Source
from include.dag_docs import GUARD_WORDS

_RECONCILE_DOC = """
### Compare {title} with the warehouse

Reads each entity whole and compares ids, counts and content hashes with what is here.
Each difference is listed with its reason in `ops.reconciliation_differences`; the sums
and the verdict are in `ops.reconciliations`. Nothing is written, unless `repair` is
switched on. Guards hold: a repair that would delete too much stops and says so.

A run costs as many requests as a full load of each entity, and up to twice as many
where very much differs: `python -m crm_warehouse forecast --source {name}` says how
many a full load takes. See `docs/reconcile.md`.
"""

_SWEEP_DOC = """
### What no list of {title} shows as changed

No list and no search shows a record whose associations changed and nothing else, nor
one that was archived or restored. This asks for the associations of all live records, a
hundred a request, walks the archive, and merges what differs; links and records that
are gone there go here. See `docs/reconcile.md`.
"""

#: Arguments of a DAG; and those of the task that works on an entity.
Arguments = dict[str, Any]
ArgumentsOf = Callable[[Entity], Arguments]


def reconcile_dag(
    dag_id: str, source: Source, dags: Arguments, tasks: ArgumentsOf
) -> DAG:
    """Weekly, whole, every entity.

    Args:
        dag_id: Its id.
        source: What to compare.
        dags: Arguments of every DAG.
        tasks: Arguments of the task of an entity.
    """
    with DAG(
        dag_id,
        description=f"{source.title}: is everything here, and as it is there?",
        doc_md=_RECONCILE_DOC.format(title=source.title, name=source.name),
        schedule=_timetable(source.reconcile_schedule),
        params=_params(source),
        tags={source.name, "reconcile", "crm"},
        **dags,
    ) as dag:
        for entity in source.all_entities.values():
            ReconcileOperator(
                task_id=f"reconcile_{entity.name}",
                source=source,
                entity=entity,
                **tasks(entity),
            )
    return dag


def sweep_dag(dag_id: str, source: Source, dags: Arguments, tasks: ArgumentsOf) -> DAG:
    """Daily, what no list shows as changed; arguments as above."""
    with DAG(
        dag_id,
        description=f"{source.title}: what no list shows as changed",
        doc_md=_SWEEP_DOC.format(title=source.title),
        schedule=_timetable(source.sweep_schedule),
        tags={source.name, "reconcile", "crm"},
        **dags,
    ) as dag:
        for entity in source.all_entities.values():
            if entity.is_swept:
                ReconcileOperator(
                    task_id=f"sweep_{entity.name}",
                    source=source,
                    entity=entity,
                    extent="sweep",
                    wanted=ALL,
                    repair="true",
                    override="",
                    **tasks(entity),
                )
    return dag


def _timetable(cron: str | None) -> MultipleCronTriggerTimetable | None:
    return MultipleCronTriggerTimetable(cron, timezone="UTC") if cron else None


def _params(source: Source) -> dict[str, Param]:
    return {
        "entity": Param(
            ALL,
            type="string",
            enum=[ALL, *source.all_entities],
            title="Entity",
            description="Only this entity.",
        ),
        "repair": Param(
            False,
            type="boolean",
            title="Repair",
            description="Merge what differs, mark what is gone; off: only list it.",
        ),
        "override": Param(
            [],
            type=["null", "array"],  # null is what the form makes of an emptied list
            items={"type": "string", "enum": list(REPAIR_GUARDS)},
            examples=list(REPAIR_GUARDS),  # what the form offers to pick from
            values_display={each: GUARD_WORDS[each] for each in REPAIR_GUARDS},
            title="Override",
            description="Guards that a repair ignores, after you have looked; without "
            "repair nothing is written, and none stops anything.",
        ),
    }
