"""Airflow connections become clients of a source and of the warehouse."""
