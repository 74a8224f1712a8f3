"""One API each, over one shared request path. Imports no Airflow and no PostgreSQL."""
