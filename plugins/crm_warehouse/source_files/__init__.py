"""``include/sources/*.yaml``: read, checked, and turned into frozen objects.

``docs/sources.md`` is the reference of the files; :mod:`crm_warehouse.spec` holds the
objects.
"""

from crm_warehouse.source_files.definition import as_json
from crm_warehouse.source_files.editor_schema import json_schema
from crm_warehouse.source_files.forecast import forecast
from crm_warehouse.source_files.load import (
    check_kinds,
    default_directory,
    load_source,
    load_sources,
)

__all__ = [
    "as_json",
    "check_kinds",
    "default_directory",
    "forecast",
    "json_schema",
    "load_source",
    "load_sources",
]
