"""Cases 32 and 33: equal times by the thousand, clocks that disagree, odd zones.

For every source: what changed is loaded, whenever the source says that it changed.
"""

import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from crm_warehouse.spec import Entity
from tests.integration.cases.conftest import Between
from tests.proof.house import House, Open
from tests.proof.meddler import MAIN, with_body
from tests.proof.oracle import compare_all
from tests.unit.clients.scripted_server import Reply, Request

#: Minutes together with its kind: part of the slow proofs.
pytestmark = pytest.mark.proof

WATERMARK = "SELECT max(watermark) FROM ops.watermarks"


def equal(house: House) -> bool:
    return compare_all(house.conninfo, house.sandbox, MAIN[house.source.name]) == {}


@pytest.mark.parametrize("minutes", [-10, 10])
@pytest.mark.parametrize("system", MAIN)
def test_a_clock_that_is_off_loses_no_change(
    open_house: Open, system: str, minutes: int
) -> None:
    """Three syncs, with changes before and after each, by the source's clock."""
    house, entity = open_house(system), MAIN[system]
    house.sandbox.configure(clock_offset_seconds=minutes * 60)
    house.sync(entity)

    for _ in range(3):
        house.sandbox.move(entity, "change", 11)
        house.sandbox.move(entity, "create", 3)
        house.sync(entity)
        assert house.value(WATERMARK) <= datetime.now(UTC)
        if is_ahead(system, minutes):
            house.sync(entity, "full")
        assert equal(house)


def is_ahead(system: str, minutes: int) -> bool:
    """Whether the source's changes lie in the future, which a search leaves out.

    The watermark stays before them: they come when our clock has reached them too.
    """
    return system == "hubspot" and minutes > 0


@pytest.mark.parametrize("steps", [(10, -10), (-10, 10), (10, 0, -10)])
@pytest.mark.parametrize("system", MAIN)
def test_a_clock_that_is_put_right_meanwhile_loses_no_change_of_an_honest_time(
    open_house: Open, system: str, steps: tuple[int, ...]
) -> None:
    """Put back, it stamps changes before what was read: a full load brings these."""
    house, entity = open_house(system), MAIN[system]
    house.sync(entity)
    backwards = False
    for before, minutes in zip((0, *steps), steps, strict=False):
        house.sandbox.configure(clock_offset_seconds=minutes * 60)
        house.sandbox.move(entity, "create", 5)
        backwards |= minutes < before
        again = backwards or is_ahead(system, minutes)
        house.sync(entity, "full" if again else "incremental")
        assert equal(house)


@pytest.mark.parametrize("system", MAIN)
def test_many_records_of_one_time_at_the_watermark(
    open_house: Open, system: str
) -> None:
    """The load runs in the very second in which a third of the records changes."""
    house, entity = open_house(system), MAIN[system]
    house.sync(entity)
    count = len(house.sandbox.truth(entity)) // 3
    _at_the_beginning_of_a_second()
    house.sandbox.move(entity, "change", count)
    house.sync(entity)
    house.sandbox.move(entity, "change", count)

    house.sync(entity)

    assert equal(house)


def _at_the_beginning_of_a_second() -> None:
    # The sandbox stamps whole seconds: both moves and the load between share one.
    time.sleep(1 - time.time() % 1)


@pytest.mark.parametrize("system", MAIN)
def test_a_record_that_changed_exactly_at_the_watermark_is_read_again(
    open_house: Open, system: str
) -> None:
    """The window's start is inclusive, and lies an overlap before the watermark."""
    house, entity = open_house(system), MAIN[system]
    house.sync(entity, "full")
    changed = house.sandbox.move(entity, "change", 7)
    house.sync(entity)
    raw = house.source.entities[entity].raw_table
    newest = house.value(f"SELECT max(source_updated_at) FROM raw.{raw}")
    overlap = house.source.overlap
    house.rows("UPDATE ops.watermarks SET watermark = %s", newest + overlap)

    again = house.sync(entity)

    assert again.records_processed == again.records_unchanged == len(changed)


#: How a source may write the same instants -> what is done to ``…Z``.
ZONES: dict[str, str] = {"naive": "", "offset": "+00:00", "compact": "+0000"}


@pytest.mark.parametrize("system", MAIN)
def test_times_without_a_zone_and_with_odd_ones_are_utc(
    between: Between, system: str
) -> None:
    """Of a page whose times are written otherwise no row comes out another."""
    crm = between(system)
    crm.house.sync(MAIN[system], "full")
    entity = crm.house.source.entities[MAIN[system]]

    for zone in ZONES.values():
        crm.strike(1, _written(entity, zone), times=10_000)
        result = crm.house.sync(MAIN[system], "full")
        assert result.status == "success"
        assert result.records_updated == result.records_failed == 0
    assert equal(crm.house)


def _written(entity: Entity, zone: str) -> Any:
    stamp = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)Z")

    def meddle(_: Request, reply: Reply) -> Reply:
        return with_body(reply, stamp.sub(rb"\1" + zone.encode(), reply.body))

    return meddle


@pytest.mark.parametrize("offset", ["-05:00", "-04:00"])
@pytest.mark.parametrize("system", MAIN)
def test_daylight_saving_changes_the_writing_and_not_the_instant(
    between: Between, system: str, offset: str
) -> None:
    """The same wall clock, an hour later: five or four hours behind UTC."""
    crm = between(system)
    sent: list[bytes] = []
    stamp = re.compile(rb"(2026|2025|2024)(-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)Z")

    def meddle(_: Request, reply: Reply) -> Reply:
        body = stamp.sub(rb"\1\2" + offset.encode(), reply.body)
        sent.append(body)
        return with_body(reply, body)

    crm.strike(1, meddle, times=10_000)

    crm.house.sync(MAIN[system], "full")

    (table,) = [crm.house.source.entities[MAIN[system]].raw_table]
    hours = int(offset[2])
    wrong = crm.house.value(
        f"SELECT count(*) FROM raw.{table} AS r JOIN warehouse."
        f"{crm.house.source.entities[MAIN[system]].into} AS w"
        " USING (source_system, source_id)"
        " WHERE r.source_updated_at <> w.source_updated_at"
    )
    assert (wrong, bool(sent)) == (0, True)
    truth = {t["source_id"]: t for t in crm.house.sandbox.truth(MAIN[system])}
    held = crm.house.rows(
        f"SELECT source_id, source_updated_at - interval '{hours} hours' AS at"
        f" FROM raw.{table}"
    )
    assert {r["source_id"]: _iso(r["at"]) for r in held} == {
        key: line["source_updated_at"][:19] for key, line in truth.items()
    }


def _iso(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%S"))
