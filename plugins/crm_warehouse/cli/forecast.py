"""``forecast``: what full loads will cost, and whether that fits today's quota."""

import json
from argparse import Namespace
from datetime import timedelta
from math import isfinite
from typing import Any

from crm_warehouse.cli import logs
from crm_warehouse.cli.client import client_factory
from crm_warehouse.cli.exits import Exit
from crm_warehouse.cli.sources import find_entity, find_source
from crm_warehouse.cli.warehouse import check_tables, warehouse_conninfo
from crm_warehouse.engine.forecast import Forecast, forecast


def run(words: Namespace) -> int:
    """Print the forecast.

    Returns:
        0: it fits, or the wait is all right; 3: it does not fit today's quota.
    """
    source = find_source(words.source)
    entities = list(source.entities.values())
    if words.entity is not None:
        entities = [find_entity(words.source, words.entity)[1]]
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
    fits = found.wait_seconds <= words.max_wait
    print(json.dumps(_as_json(found, fits)) if words.json else _as_text(found))
    if not fits:
        logs.logger.warning("%s", _choice(found))
    return Exit.SUCCESS if fits else Exit.PARTIAL


def _as_json(found: Forecast, fits: bool) -> dict[str, Any]:
    daily = found.daily
    share = found.share
    # JSON knows no infinity: nothing is left then.
    of_left = round(share, 4) if share is not None and isfinite(share) else None
    return {
        "source": found.source,
        "requests": found.requests,
        "seconds": round(found.seconds),
        "left_today": daily.left if daily else None,
        "share_of_today": of_left,
        "wait_seconds": round(found.wait_seconds),
        "days": found.days,
        "fits": fits,
        "fits_today": found.fitting(),
        "spent": found.spent,
        "entities": [each.as_json() for each in found.entities],
    }


def _as_text(found: Forecast) -> str:
    lines = [f"{'entity':<20} {'records':>12} {'requests':>12}"]
    for each in found.entities:
        cost = each.cost
        records = "unknown" if cost.records is None else f"{cost.records:,}"
        about = "" if cost.exact else "  by what the warehouse holds"
        lines.append(f"{each.entity:<20} {records:>12} {cost.requests:>12,}{about}")
    span = timedelta(seconds=round(found.seconds))
    lines.append(f"{'all':<20} {'':>12} {found.requests:>12,}  in about {span}")
    if (daily := found.daily) is not None:
        share = found.share or 0.0
        of_left = f"{share:.1%} of" if daily.left else "and there is nothing of"
        lines.append(
            f"{of_left} what is left today: {daily.left:,} of {daily.allowed:,}"
            f" requests (quota {daily.name!r})"
        )
    return "\n".join(lines)


def _choice(found: Forecast) -> str:
    today = ", ".join(found.fitting()) or "none of them"
    return (
        f"this does not fit today's quota. Choose: load today what fits ({today}); or"
        f" let it wait: it goes on for {found.days} more days, without a worker slot in"
        f" Airflow, or with --max-wait {round(found.wait_seconds)} on the command line;"
        " or get more quota"
    )
