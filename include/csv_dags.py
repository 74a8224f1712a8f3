"""DAGs that import the files that are dropped for an entity."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param

from crm_warehouse.csv_files.drop import VARIABLE, drop_url
from crm_warehouse.operators.csv_files import DropSensor, ImportFilesOperator
from crm_warehouse.spec import GUARDS, Entity, Source
from include.dag_docs import GUARD_WORDS

_DOC = """
### {title}: {name} from CSV files

Imports each file that is put into `{folder}` and has stopped growing, the oldest
first, into **`warehouse.{into}`**; then moves it to `archive` there, beside a report
that says what came of it and which lines could not be read. A file that needs a person
goes to `failed`, with the reason; the task is red then.

A file says only what it has columns for: the rest stays as it is here, and nothing is
deleted. The same content is imported once, whatever the file is called. `wait` waits
without a worker slot; without `{variable}` there is no such folder, and nothing runs.

**By hand:** *Trigger* with `snapshot` when the files that wait are each the whole
truth: what two such files lack is deleted. `override` lets them pass a guard.

**Same from a terminal:** `.venv/bin/python -m crm_warehouse sync --source {source}
--entity {name} --via csv --file PATH`

See `docs/csv.md`.
"""


def csv_dag(
    source: Source,
    entity: Entity,
    quiet: timedelta,
    dags: dict[str, Any],
    tasks: dict[str, Any],
    work: dict[str, Any],
) -> DAG:
    """One run waits, imports, and ends; then the next one waits.

    Args:
        source: Whose files.
        entity: What is in them.
        quiet: How long a run waits.
        dags: Arguments of every DAG.
        tasks: Arguments of both tasks.
        work: More of the one that imports.
    """
    folder = drop_url(source.name, entity.name)
    shown = folder or f"${VARIABLE}/{source.name}/{entity.name}"
    with DAG(
        entity.dag_id_via("csv"),
        description=f"{source.title}'s CSV files: {entity.name}",
        doc_md=_DOC.format(
            title=source.title,
            source=source.name,
            name=entity.name,
            into=entity.into,
            folder=shown,
            variable=VARIABLE,
        ),
        # Without a folder there is nothing to wait for.
        schedule="@continuous" if folder else None,
        params={
            "snapshot": Param(
                False,
                type="boolean",
                title="Snapshot",
                description="Each file is the whole truth: delete what two such files"
                " lack.",
            ),
            "override": Param(
                [],
                type=["null", "array"],
                items={"type": "string", "enum": list(GUARDS)},
                examples=list(GUARDS),
                values_display=GUARD_WORDS,
                title="Override",
                description="Guards that this run ignores, after you have looked.",
            ),
        },
        tags={source.name, entity.name, "csv", "crm"},
        **dags,
    ) as dag:
        wait = DropSensor(
            task_id="wait",
            entity=entity,
            work_task_id="import",
            timeout=quiet.total_seconds(),
            **tasks,
        )
        load = ImportFilesOperator(
            task_id="import",
            entity=entity,
            files=wait.output,
            **tasks,
            **work,
        )
        wait >> load
    return dag
