"""``webhooks discard``: settle what waits or failed without merging it."""

from argparse import Namespace

from crm_warehouse.cli.inbox import narrow_choice_of, print_outcome
from crm_warehouse.cli.loading import user_name
from crm_warehouse.cli.warehouse import check_tables, warehouse_conninfo
from crm_warehouse.engine.inbox_care import Care, discard
from crm_warehouse.engine.session import open_session
from crm_warehouse.source_files import default_directory, load_sources


def run(words: Namespace) -> int:
    """Discard, or say how many would be; one JSON object as the last line."""
    choice = narrow_choice_of(words)
    care = Care(choice, user_name() or "cli", words.yes)
    sources = load_sources(default_directory())
    conninfo = warehouse_conninfo()
    check_tables(conninfo)
    with open_session(conninfo, "webhooks discard") as conn:
        counts = discard(conn, care, words.reason, sources)
    return print_outcome(words, choice, counts)
