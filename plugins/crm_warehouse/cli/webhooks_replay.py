"""``webhooks replay``: let the next merge take up again what was settled."""

from argparse import Namespace

from crm_warehouse.cli.inbox import narrow_choice_of, print_outcome
from crm_warehouse.cli.loading import user_name
from crm_warehouse.cli.warehouse import check_tables, warehouse_conninfo
from crm_warehouse.engine.inbox_care import Care, replay
from crm_warehouse.engine.session import open_session


def run(words: Namespace) -> int:
    """Replay, or say how many would be; one JSON object as the last line."""
    choice = narrow_choice_of(words)
    care = Care(choice, user_name() or "cli", words.yes)
    conninfo = warehouse_conninfo()
    check_tables(conninfo)
    with open_session(conninfo, "webhooks replay") as conn:
        counts = replay(conn, care)
    return print_outcome(words, choice, counts)
