"""Options of the commands that look after the inbox."""

from argparse import ArgumentParser

from crm_warehouse.cli import arguments
from crm_warehouse.engine.inbox_choice import STATES


def add_list(parser: ArgumentParser) -> None:
    """Options of ``webhooks list``."""
    _filters(parser)
    add = parser.add_argument
    add(
        "--summary",
        action="store_true",
        help="only how many there are by source, state and reason, and since when",
    )
    add("--json", action="store_true", help="one JSON object a line instead of a table")
    add(
        "--limit",
        type=arguments.positive,
        default=50,
        metavar="N",
        help="lines shown (default: 50)",
    )


def add_show(parser: ArgumentParser) -> None:
    """Options of ``webhooks show``."""
    add = parser.add_argument
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument(
        "id", nargs="?", type=arguments.positive, metavar="ID", help="the delivery"
    )
    one.add_argument(
        "--event", type=arguments.positive, metavar="ID", help="an event instead"
    )
    add(
        "--payload",
        action="store_true",
        help="print what the source sent, and nothing else: people's data",
    )
    add("--json", action="store_true", help="one JSON object instead of text")


def add_replay(parser: ArgumentParser) -> None:
    """Options of ``webhooks replay``."""
    _filters(parser)
    _yes(parser)


def add_discard(parser: ArgumentParser) -> None:
    """Options of ``webhooks discard``."""
    _filters(parser)
    parser.add_argument(
        "--reason",
        required=True,
        type=arguments.sentence,
        metavar="TEXT",
        help="why; it is kept, so it must name no person",
    )
    _yes(parser)


def _yes(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--yes", action="store_true", help="do it; without, only show how many"
    )


def _filters(parser: ArgumentParser) -> None:
    add = parser.add_argument
    state = arguments.one_of(STATES)
    number = arguments.positive
    add("--events", action="store_true", help="events instead of deliveries")
    add("--source", metavar="NAME", help="only of this source, e.g. hubspot")
    add("--state", type=state, metavar=f"{{{','.join(STATES)}}}", help="only these")
    add("--why", metavar="TEXT", help="only those whose reason has this text in it")
    moment = arguments.any_moment
    add("--since", type=moment, metavar="TIME", help="arrived at this time or later")
    add("--until", type=moment, metavar="TIME", help="arrived before this time")
    add("--request-id", metavar="ID", help="of the request with this id")
    add("--id", type=number, metavar="N", help="only this delivery, or event")
    add("--delivery", type=number, metavar="N", help="events of this delivery")
    add("--entity", metavar="NAME", help="events about this entity of the source")
    add("--object", metavar="ID", help="events about the record with this source id")
    add("--type", metavar="WORD", help="events of this type, e.g. contact.creation")
