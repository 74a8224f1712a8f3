"""Register the Airflow DAGs of all sources; what they are is in include/."""

from airflow.sdk import get_parsing_context

from include.dag_factory import dag_builders

# Set while a task runs: only the DAG of that task is needed then.
wanted = get_parsing_context().dag_id

for dag_id, build in dag_builders().items():
    if wanted in (None, dag_id):
        build()
