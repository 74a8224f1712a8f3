"""``maintain``: look after the warehouse, once."""

import json
from argparse import Namespace
from collections.abc import Sequence
from functools import partial

from crm_warehouse.cli.client import client_factory
from crm_warehouse.cli.connection import find
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.reached import reached
from crm_warehouse.cli.sources import find_source
from crm_warehouse.cli.warehouse import check_tables, warehouse_conninfo
from crm_warehouse.connections.webhooks import webhook_owner
from crm_warehouse.engine.maintenance import Act, MaintenanceRequest, maintain
from crm_warehouse.engine.recovery import Access
from crm_warehouse.source_files import default_directory, load_sources
from crm_warehouse.spec import Source

_HEAD = ("act", "source", "found", "done", "seconds", "error")


def run(words: Namespace) -> int:
    """Do one round, and print what it did; its last line is a JSON object."""
    if words.source:
        sources = [find_source(words.source)]
    else:
        sources = list(load_sources(default_directory()).values())
    conninfo = warehouse_conninfo()
    check_tables(conninfo)
    request = MaintenanceRequest(sources, limited=bool(words.source))
    report = maintain(request, conninfo=conninfo, access_of=_access)
    print(_table(report.acts))
    print(json.dumps(report.as_json()))
    return Exit.PARTIAL if report.failed else Exit.SUCCESS


def _access(source: Source) -> Access:
    owner = webhook_owner(find(source.connection))
    source = reached(source)
    return Access(source, partial(client_factory, source), owner)


def _table(acts: Sequence[Act]) -> str:
    rows = [
        (
            act.act,
            act.source_system or "-",
            str(act.found),
            str(act.done),
            f"{act.duration_seconds:.1f}",
            act.error or "",
        )
        for act in acts
    ]
    columns = list(zip(_HEAD, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (_HEAD, *rows)
    )
    return "\n".join(line.rstrip() for line in lines)
