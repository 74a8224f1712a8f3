-- Begin a round of maintenance. Returns its id.
INSERT INTO ops.maintenance_runs (whole, triggered_by, dag_id, run_id)
VALUES (%(whole)s, %(triggered_by)s, %(dag_id)s, %(run_id)s)
RETURNING id
