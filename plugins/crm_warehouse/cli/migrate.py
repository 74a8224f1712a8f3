"""``migrate``: bring the tables of the warehouse up to date."""

from argparse import Namespace

from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.warehouse import warehouse_conninfo
from crm_warehouse.engine.migrations import migrate


def run(_words: Namespace) -> int:
    """Apply what is pending and name it."""
    applied = migrate(warehouse_conninfo())
    for name in applied:
        print(f"applied {name}")
    if not applied:
        print("up to date")
    return Exit.SUCCESS
