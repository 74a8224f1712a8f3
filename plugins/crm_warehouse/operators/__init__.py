"""Airflow tasks around the engine. Light at import: heavy parts load in execute."""
