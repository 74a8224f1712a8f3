"""``erase``: erase a person's record for good, as its owner asked."""

import json
import re
from argparse import Namespace

from crm_warehouse.cli import logs
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.loading import user_name
from crm_warehouse.cli.sources import find_entity
from crm_warehouse.cli.warehouse import check_tables, warehouse_conninfo
from crm_warehouse.clients.hubspot_batches import is_id
from crm_warehouse.engine.erased_parts import parts_of
from crm_warehouse.engine.erasure import Request, erase
from crm_warehouse.engine.inbox_redaction import Redactor, redact_inbox
from crm_warehouse.engine.profiles import as_loaded
from crm_warehouse.engine.record_paths import usable_id
from crm_warehouse.engine.redaction import Forgotten
from crm_warehouse.engine.session import open_session
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import Entity

_MOST_CHARACTERS = 255
_NOT_IN_IDS = re.compile(r"[@\s]")


def run(words: Namespace) -> int:
    """Erase, or show what would be erased; one JSON object as the last line."""
    source, entity = find_entity(words.source, words.entity)
    _check_id(entity, words.id)
    actor = user_name() or "cli"
    conninfo = warehouse_conninfo()
    check_tables(conninfo)
    with open_session(conninfo, "erase") as conn:
        parts = parts_of(conn, source, source.name, entity)
        source, entity = as_loaded(conn, source, source.name, entity)
        request = Request(entity, source.name, [words.id], "request", actor, parts)
        with conn.transaction(force_rollback=not words.yes):
            erased = erase(conn, request)
        if words.yes:
            erased.counts |= redact_inbox(conn, source, source.name, actor=actor)
        else:
            forgotten = Forgotten((entity.name, each) for each in erased.ids)
            redactor = Redactor(conn, source, source.name, forgotten)
            redactor.run(write=False)
            erased.counts |= redactor.counts
    was_here = sum(erased.counts.values()) > 0
    if not was_here:
        logs.complain(
            f"nothing of {source.name} {entity.name} {words.id} is here to be erased"
        )
    if not words.yes:
        logs.complain("nothing was erased; run it again with --yes to erase this")
    outcome = {
        "source": source.name,
        "entity": entity.name,
        "ids": erased.ids,
        "erased": words.yes and was_here,
        "kept_out": words.yes,
        "records": erased.counts,
    }
    print(json.dumps(outcome))
    return Exit.SUCCESS if words.yes else Exit.USAGE


def _check_id(entity: Entity, source_id: str) -> None:
    """Refuse what is no id: it is kept for ever, and must be nothing personal.

    Raises:
        ConfigurationError: It cannot be an id of the entity.
    """
    if (
        usable_id(source_id) is None
        or len(source_id) > _MOST_CHARACTERS
        or _NOT_IN_IDS.search(source_id)
    ):
        raise ConfigurationError(
            f"--id: the record's id in the source, 1 to {_MOST_CHARACTERS} printable"
            " characters without blanks and @; an e-mail address or a name is none"
        )
    # Only HubSpot's objects have this endpoint; their ids are numbers.
    if "properties" in entity.endpoints and not is_id(source_id):
        raise ConfigurationError("--id: ids of these records are digits only")
