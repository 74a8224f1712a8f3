"""What the commands that look after the inbox have in common."""

import json
from argparse import Namespace
from collections import Counter
from datetime import datetime
from typing import Any

from crm_warehouse.cli import logs
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.reading import entity_filter
from crm_warehouse.engine.inbox_care import DONE
from crm_warehouse.engine.inbox_choice import (
    Choice,
    Kind,
    known_filters,
    states_of,
)
from crm_warehouse.errors import ConfigurationError

#: Filter -> option that gives it.
_OPTIONS = {
    "source_system": "source",
    "entity_type": "entity",
    "object_id": "object",
    "event_type": "type",
    "delivery_id": "delivery",
    "request_id": "request_id",
    "state": "state",
    "why": "why",
    "since": "since",
    "until": "until",
    "id": "id",
}


def choice_of(words: Namespace) -> Choice:
    """Deliveries or events that the words mean.

    Raises:
        ConfigurationError: A word does not fit the others.
    """
    kind: Kind = "events" if words.events else "deliveries"
    filters = {name: getattr(words, option) for name, option in _OPTIONS.items()}
    filters |= entity_filter(words.source, words.entity)
    for name in filters.keys() - known_filters(kind):
        if filters[name] is not None:
            raise ConfigurationError(f"--{_OPTIONS[name]}: needs --events")
    if words.state is not None and words.state not in states_of(kind):
        raise ConfigurationError(
            f"--state: {kind} are {', '.join(states_of(kind))}"
            + ("" if words.events else "; with --events, events are asked for")
        )
    return Choice(kind, filters)


def narrow_choice_of(words: Namespace) -> Choice:
    """The same for commands that change something.

    Raises:
        ConfigurationError: As of :func:`choice_of`, or all of the inbox is meant.
    """
    choice = choice_of(words)
    if not choice.given:
        raise ConfigurationError(
            "give --source or another filter; `webhooks list` shows what it lets pass"
        )
    return choice


def print_outcome(words: Namespace, choice: Choice, counts: Counter[str]) -> int:
    """Print what was done, or would be, as one JSON object.

    Returns:
        Exit status.
    """
    done = sum(counts[word] for word in DONE)
    left = {word: n for word, n in sorted(counts.items()) if word not in DONE}
    outcome = {
        "kind": choice.kind,
        "written": words.yes and done > 0,
        **{word: counts[word] for word in DONE if counts[word]},
        "left": left,
    }
    print(json.dumps(outcome))
    if not done:
        logs.complain("nothing to do; `webhooks list` shows what the filters let pass")
        return Exit.SUCCESS
    if not words.yes:
        logs.complain("nothing was changed; run it again with --yes to do this")
        return Exit.USAGE
    return Exit.SUCCESS


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON takes it."""
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in row.items()
    }
