"""Extract, merge, verify: what makes a load exactly-once. Imports no Airflow."""
