"""What every source keeps, whichever way it lists, counts, breaks and refuses.

A source, or a profile of one, inherits :class:`Conformance` and says what is its own;
pytest then runs each test against the sandbox. Nothing here knows a source by name.
"""

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from crm_warehouse.engine import reading
from crm_warehouse.engine.chunk import Chunk
from crm_warehouse.errors import GuardError, TransientSourceError
from crm_warehouse.spec import Quota
from tests.integration.conformance.looking import (
    PowerCutError,
    deep_marks,
    equal,
    errors_of,
    slower,
    some,
)
from tests.proof.house import House
from tests.proof.meddler import Meddler, with_body
from tests.unit.clients.scripted_server import Reply, Request

#: Records asked for per request where a test wants several pages.
PAGE = 40
#: How late every source may show a change.
LATE_SECONDS = 30.0
#: A list would go on for ever if more than this were asked for.
MANY = 600
#: Answers that are none, by the sandbox's word for them, with their options.
BROKEN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("reset", {}),
    ("truncate", {"length": "full"}),
    ("truncate", {"length": "sent"}),
    ("truncate", {"length": "chunked"}),
    ("html", {}),
    ("empty", {}),
    ("status", {"status": 500}),
    ("status", {"status": 503}),
)
#: Forms of a refusal for want of quota.
REFUSALS: tuple[dict[str, Any], ...] = (
    {},
    {"retry_after": 0},
    {"retry_after": "soon"},
    {"retry_date": 0},
    {"body": ""},
    {"body": "<html>slow down</html>"},
)


class Conformance:
    """The suite.

    Attributes:
        system: The sandbox's system, and the name of the source's file.
        main: The entity with the most to go wrong; it has an e-mail address.
        email: What its records call that.
        parents: Child's table, its column, the parent's table.
        alone: Entities that have neither parents nor children.
        entities: Those whose truth the sandbox tells, where not all.
        attacks: Bodies of an attacker in place of a page.
    """

    system: ClassVar[str]
    main: ClassVar[str]
    email: ClassVar[str]
    parents: ClassVar[tuple[tuple[str, str, str], ...]]
    alone: ClassVar[tuple[str, ...]] = ()
    attacks: ClassVar[dict[str, bytes]]
    entities: ClassVar[tuple[str, ...]] = ()

    def test_a_full_load_equals_the_truth(self, house: House, entity: str) -> None:
        result = house.sync(entity, "full")

        assert (result.status, result.records_failed) == ("success", 0)
        assert result.records_created == len(house.sandbox.truth(entity))
        assert equal(house, entity)

    def test_nothing_new_writes_no_row(self, house: House, entity: str) -> None:
        house.sync(entity)
        before = deep_marks(house)

        for mode in ("incremental", "full", "replay"):
            result = house.sync(entity, mode)

            assert (result.status, result.records_created) == ("success", 0)
            assert (result.records_updated, result.records_deleted) == (0, 0)
            assert deep_marks(house) == before

    def test_an_increment_brings_exactly_what_changed(
        self, house: House, entity: str
    ) -> None:
        house.sync(entity)
        changed = house.sandbox.move(entity, "change", some(house, entity, 30))
        house.sandbox.move(entity, "create", 7)

        result = house.sync(entity)

        assert (result.records_updated, result.records_created) == (len(changed), 7)
        assert result.records_received == len(changed) + 7
        assert equal(house, entity)

    def test_a_full_load_marks_exactly_what_was_deleted(
        self, house: House, entity: str, tables: tuple[str, ...]
    ) -> None:
        house.sync(entity)
        few = some(house, entity, 9)
        gone = sorted(map(str, house.sandbox.move(entity, "delete", few)))

        result = house.sync(entity, "full")

        assert result.records_deleted == len(gone) == few
        for table in tables:
            marked = house.rows(
                f"SELECT source_id FROM warehouse.{table} WHERE is_deleted ORDER BY 1"
            )
            assert [row["source_id"] for row in marked] == gone
        assert equal(house, entity)

    def test_bad_records_are_set_aside_and_the_others_load(
        self, house: House, entity: str
    ) -> None:
        house.sandbox.move(entity, "spoil", some(house, entity, 40))
        lines = house.sandbox.truth(entity)
        rejected = [line for line in lines if line["expect"] == "reject"]

        result = house.sync(entity)

        assert result.status == ("partial" if rejected else "success")
        assert result.records_failed == len(rejected)
        assert result.records_created == len(lines) - len(rejected)
        reasons, warned = errors_of(house)
        assert reasons == sorted(line["reason"] for line in rejected)
        assert {
            (line["source_id"], field)
            for line in lines
            if line["expect"] == "keep"
            for field in line["warnings"]
        } <= warned
        assert equal(house, entity)

    def test_children_find_their_parents_in_any_order(
        self, open_house: Callable[[str], House], order: tuple[str, ...]
    ) -> None:
        house = open_house(self.system)

        for entity in order:
            assert house.sync(entity).status == "success"

        for child, column, parent in self.parents:
            named = column.replace("_id", "_source_id")
            wrong = house.value(
                f"SELECT count(*) FROM warehouse.{child} AS c"
                f" LEFT JOIN warehouse.{parent} AS p ON p.id = c.{column}"
                f" WHERE p.source_id IS DISTINCT FROM c.{named}"
            )
            linked = (
                f"SELECT count(*) FROM warehouse.{child} WHERE {column} IS NOT NULL"
            )
            assert (wrong, house.value(linked) > 0) == (0, True)

    def test_many_records_of_one_moment_all_load(self, house: House) -> None:
        house.sync(self.main)
        moved = house.sandbox.move(self.main, "change", 4 * PAGE + 1)

        result = house.sync(self.main, batch_size=PAGE)

        assert result.records_updated == len(moved) == 4 * PAGE + 1
        assert equal(house, self.main)

    def test_a_late_record_comes_with_the_next_window(self, house: House) -> None:
        house.sync(self.main)
        # The source's clock falls back: what changes now bears a time that the last
        # window had in it.
        house.sandbox.configure(clock_offset_seconds=-LATE_SECONDS)
        house.sandbox.move(self.main, "change", 5)

        result = house.sync(self.main)

        assert result.records_updated == 5
        assert equal(house, self.main)

    @pytest.mark.parametrize("form", REFUSALS, ids=str)
    def test_a_refusal_for_want_of_quota_costs_a_repetition(
        self, house: House, form: dict[str, Any]
    ) -> None:
        house.sandbox.fault("status", status=429, after=1, count=1, **form)

        result = house.sync(self.main, "full", batch_size=PAGE)

        assert result.status == "success"
        assert house.value("SELECT max(retries) FROM ops.sync_jobs") == 1
        assert equal(house, self.main)

    def test_a_quota_that_is_used_up_parks_the_job(
        self, make_house: Callable[..., House], house: House
    ) -> None:
        few = Quota("hourly", requests=3, per_seconds=3_600.0)
        poor = make_house(slower(house.source, few), house.sandbox)

        parked = poor.sync(self.main, "full", batch_size=PAGE)

        assert (parked.status, house.sandbox.stats()["requests"]) == ("waiting", 3)
        assert parked.resume_at is not None
        poor.rows("TRUNCATE ops.api_quota_usage, ops.api_quota_shares")
        result = house.sync(self.main, "full", batch_size=PAGE)
        assert (result.job_id, result.status) == (parked.job_id, "success")
        assert equal(house, self.main)

    @pytest.mark.parametrize(("kind", "options"), BROKEN, ids=str)
    def test_a_broken_answer_is_asked_for_again(
        self, house: House, kind: str, options: dict[str, Any]
    ) -> None:
        house.sandbox.fault(kind, after=1, count=2, **options)

        result = house.sync(self.main, "full", batch_size=PAGE)

        assert result.status == "success"
        assert result.records_created == len(house.sandbox.truth(self.main))
        assert equal(house, self.main)

    def test_a_page_that_comes_twice_hides_nothing(self, house: House) -> None:
        house.sandbox.fault("repeat_page", after=2, count=1)

        result = house.sync(self.main, "full", batch_size=PAGE)

        assert result.status == "success"
        assert result.records_created == len(house.sandbox.truth(self.main))
        assert equal(house, self.main)

    def test_a_list_that_runs_in_a_circle_ends_red(self, house: House) -> None:
        house.sandbox.fault("loop", page=2, after=2)

        with pytest.raises(TransientSourceError):
            house.sync(self.main, batch_size=PAGE)

        assert house.sandbox.stats()["requests"] < MANY
        assert house.value("SELECT count(*) FROM ops.watermarks") == 0
        house.sandbox.clear_faults()
        assert house.sync(self.main, batch_size=PAGE).status == "success"
        assert equal(house, self.main)

    def test_deletions_between_pages_hide_nothing(self, house: House) -> None:
        path = house.source.entities[self.main].path
        house.sandbox.fault("page_shift", path=path, count=3)
        house.sync(self.main, batch_size=PAGE)
        house.sandbox.clear_faults()

        house.sync(self.main, "full")

        assert equal(house, self.main)

    @pytest.mark.parametrize("at", [1, PAGE + PAGE // 2])
    def test_killed_within_a_page_it_goes_on(
        self, house: House, monkeypatch: pytest.MonkeyPatch, at: int
    ) -> None:
        """The power goes with a page half taken in, behind one committed chunk."""
        monkeypatch.setattr(reading, "CHUNK_RECORDS", PAGE)
        put, taken = Chunk.put, itertools.count()

        def cut(chunk: Chunk, *args: Any, **options: Any) -> None:
            if next(taken) == PAGE + at:
                raise PowerCutError
            put(chunk, *args, **options)

        monkeypatch.setattr(Chunk, "put", cut)
        with pytest.raises(PowerCutError):
            house.sync(self.main, "full", batch_size=PAGE)
        monkeypatch.setattr(Chunk, "put", put)
        (dead,) = house.rows("SELECT id, status, records_received FROM ops.sync_jobs")
        assert dead["status"] == "running"
        assert PAGE <= dead["records_received"] < PAGE + at

        result = house.sync(self.main, "full", batch_size=PAGE)

        assert (result.job_id, result.status) == (dead["id"], "success")
        assert result.records_created == len(house.sandbox.truth(self.main))
        assert equal(house, self.main)

    def test_a_field_nobody_mapped_is_kept(self, house: House) -> None:
        house.sandbox.move(self.main, "spoil", 20, kind="unknown_fields")

        result = house.sync(self.main)

        assert (result.status, result.records_failed) == ("success", 0)
        assert equal(house, self.main)

    @pytest.mark.parametrize("kind", ["rename_field", "drop_field", "retype_field"])
    def test_a_field_that_is_not_what_it_was_loses_nothing(
        self, house: House, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        monkeypatch.setattr(reading, "_CHUNK_SECONDS", 3600.0)
        house.sync(self.main, "full")
        options = {"to": "another"} if kind == "rename_field" else {}
        house.sandbox.fault(kind, field=self.email, **options)

        with pytest.raises(GuardError, match="email"):
            house.sync(self.main, "full")

        house.sandbox.clear_faults()
        assert equal(house, self.main)
        assert house.sync(self.main, "full").status == "success"

    def test_an_attack_is_a_broken_answer(
        self, between: Callable[[str], Meddler], attack: bytes
    ) -> None:
        crm = between(self.system)

        def strike(_: Request, reply: Reply) -> Reply:
            return with_body(reply, attack)

        struck = crm.strike(2, strike)

        result = crm.house.sync(self.main, "full", batch_size=PAGE)

        assert (result.status, len(struck)) == ("success", 1)
        assert equal(crm.house, self.main)


class MayGiveShortPages:
    """Of a source whose pages may be short, or empty, and yet not the last."""

    main: ClassVar[str]

    @pytest.mark.parametrize("kind", ["short_page", "empty_page"])
    def test_a_short_page_is_not_the_end(self, house: House, kind: str) -> None:
        house.sandbox.fault(kind, after=1, count=2)

        result = house.sync(self.main, "full", batch_size=PAGE)

        assert result.status == "success"
        assert result.records_created == len(house.sandbox.truth(self.main))
        assert equal(house, self.main)
