"""Whether a full load that was due never came about."""

from datetime import datetime

import psycopg

from crm_warehouse.engine.queries import query
from crm_warehouse.spec import Via


def is_owed(
    conninfo: str,
    *,
    source_system: str,
    entity_type: str,
    via: Via,
    due: datetime,
    dag_id: str,
    run_id: str,
) -> bool:
    """Whether the full load that was due last never began.

    Args:
        conninfo: libpq connection string of the warehouse.
        source_system: Source of the entity.
        entity_type: The entity.
        via: Way in that it was to be loaded by.
        due: When it was due, aware.
        dag_id: DAG of the Airflow run that asks.
        run_id: That run.

    Raises:
        psycopg.OperationalError: The warehouse does not answer.
    """
    values = {
        "source_system": source_system,
        "entity_type": entity_type,
        "via": via,
        "due": due,
        "dag_id": dag_id,
        "run_id": run_id,
    }
    with psycopg.connect(conninfo, application_name="crm_warehouse schedule") as conn:
        row = conn.execute(query("owes_full_load"), values).fetchone()
    return bool(row and row[0])
