"""``forecast``: what full loads will cost, and whether that fits today's quota."""

import json
from argparse import Namespace
from datetime import timedelta
from math import ceil, isfinite
from typing import Any

from crm_warehouse.cli import logs
from crm_warehouse.cli.client import client_factory
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.reached import reached_of, reached_source
from crm_warehouse.cli.warehouse import check_tables, warehouse_conninfo
from crm_warehouse.engine.forecast import EntityForecast, Forecast, forecast


def run(words: Namespace) -> int:
    """Print the forecast.

    Returns:
        0: it fits, the wait is all right, or it cannot be told; 3: it does not fit
        today's quota.
    """
    source = reached_source(words.source)
    entities = list(source.entities.values())
    if words.entity is not None:
        entities = [reached_of(source, words.entity)]
    conninfo = warehouse_conninfo()
    check_tables(conninfo)
    found = forecast(
        source,
        entities,
        source_system=source.name,
        conninfo=conninfo,
        open_client=client_factory(source),
        batch_size=words.batch_size,
    )
    fits = _fits(found, words.max_wait)
    print(json.dumps(_as_json(found, fits)) if words.json else _as_text(found))
    if not found.is_known:
        logs.logger.warning("%s", _UNKNOWN)
    if fits is False:
        logs.logger.warning("%s", _choice(found))
    return Exit.PARTIAL if fits is False else Exit.SUCCESS


_UNKNOWN = (
    "what a source without a count costs cannot be told before a first load; its"
    " load waits where the quota ends, and goes on by itself in Airflow"
)


def _fits(found: Forecast, max_wait: float) -> bool | None:
    """Whether the loads fit; None: it cannot be told."""
    if found.wait_seconds > max_wait:
        return False
    return True if found.is_known or found.daily is None else None


def _as_json(found: Forecast, fits: bool | None) -> dict[str, Any]:
    daily = found.daily
    share = found.share
    # JSON knows no infinity: nothing is left then.
    of_left = round(share, 4) if share is not None and isfinite(share) else None
    return {
        "source": found.source,
        "requests": found.requests,
        "seconds": None if found.seconds is None else round(found.seconds),
        "left_today": daily.left if daily else None,
        "share_of_today": of_left,
        "wait_seconds": ceil(found.wait_seconds),
        "days": found.days,
        "fits": fits,
        "fits_today": found.fitting(),
        "spent": found.spent,
        "entities": [each.as_json() for each in found.entities],
    }


def _as_text(found: Forecast) -> str:
    lines = [f"{'entity':<20} {'records':>12} {'requests':>12}"]
    lines += [_line(each) for each in found.entities]
    if found.requests is not None and found.seconds is not None:
        span = timedelta(seconds=round(found.seconds))
        lines.append(f"{'all':<20} {'':>12} {found.requests:>12,}  in about {span}")
    if (daily := found.daily) is not None:
        lines.append(
            f"{_share(found)}left today: {daily.left:,} of {daily.allowed:,}"
            f" requests (quota {daily.name!r})"
        )
    return "\n".join(lines)


def _line(each: EntityForecast) -> str:
    cost = each.cost
    records = "unknown" if cost.records is None else f"{cost.records:,}"
    requests = "unknown" if cost.requests is None else f"{cost.requests:,}"
    if cost.requests is None:
        about = "  cannot be told before a first load"
    else:
        about = "" if cost.exact else "  by what the warehouse holds"
    why = f" (not asked: {each.not_asked})" if each.not_asked else ""
    return f"{each.entity:<20} {records:>12} {requests:>12}{about}{why}"


def _share(found: Forecast) -> str:
    """How the line about today's quota begins."""
    if found.daily is not None and not found.daily.left:
        return "nothing is "
    if found.share is None:
        return ""
    share = "<0.1" if 0 < found.share < 0.001 else f"{found.share:.1%}"[:-1]
    return f"{share} % of what is "


def _choice(found: Forecast) -> str:
    today = ", ".join(found.fitting()) or "none of them"
    days = f"{found.days} more day{'s' if found.days > 1 else ''}"
    # What is used meanwhile moves the end of a day without a midnight.
    wait = ceil(found.wait_seconds) + 60
    return (
        f"this does not fit today's quota. Choose: load today what fits ({today}); or"
        f" let it wait: it goes on for {days}, without a worker slot in"
        f" Airflow, or with --max-wait {wait} on the command line;"
        " or get more quota"
    )
