"""``erase``: erase a person's record for good, as its owner asked."""

import json
from argparse import Namespace

import psycopg

from crm_warehouse.cli import logs
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.loading import user_name
from crm_warehouse.cli.sources import find_entity
from crm_warehouse.cli.warehouse import check_tables, warehouse_conninfo
from crm_warehouse.engine.erasure import Request, erase
from crm_warehouse.engine.record_paths import usable_id
from crm_warehouse.errors import ConfigurationError


def run(words: Namespace) -> int:
    """Erase, or show what would be erased; one JSON object as the last line."""
    source, entity = find_entity(words.source, words.entity)
    if usable_id(words.id) is None:
        raise ConfigurationError("--id: printable text of 1 to 512 characters")
    request = Request(
        source, entity, source.name, words.id, "request", user_name() or "cli"
    )
    conninfo = warehouse_conninfo()
    check_tables(conninfo)
    with psycopg.connect(conninfo, application_name="crm_warehouse erase") as conn:
        erased = erase(conn, request)
        if not words.yes:
            conn.rollback()
    if not sum(erased.counts.values()):
        logs.complain(
            f"nothing of {source.name} {entity.name} {words.id} is here to be erased"
        )
    if not words.yes:
        logs.complain("nothing was erased; run it again with --yes to erase this")
    outcome = {
        "source": source.name,
        "entity": entity.name,
        "ids": erased.ids,
        "erased": words.yes,
        "records": erased.counts,
    }
    print(json.dumps(outcome))
    return Exit.SUCCESS if words.yes else Exit.USAGE
