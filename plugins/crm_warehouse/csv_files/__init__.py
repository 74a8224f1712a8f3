"""Records from CSV files, as people and programs export them; no Airflow, no engine."""
