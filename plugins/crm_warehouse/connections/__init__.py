"""Connections without Airflow: read, found, and turned into URLs and conninfo."""

from crm_warehouse.connections.lookup import (
    find,
    from_environment,
    is_locked,
    look_up,
    sealed_file,
    unknown,
)
from crm_warehouse.connections.model import Connection, parse_connection
from crm_warehouse.connections.postgres import conninfo
from crm_warehouse.connections.urls import base_url, base_url_problem

__all__ = [
    "Connection",
    "base_url",
    "base_url_problem",
    "conninfo",
    "find",
    "from_environment",
    "is_locked",
    "look_up",
    "parse_connection",
    "sealed_file",
    "unknown",
]
