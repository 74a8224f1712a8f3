"""Records of an entity have the shape of one profile; what reads them knows which."""

from dataclasses import replace
from typing import Any

import pytest
from engine_load import Connection, rows
from scripted_crm import ScriptedCrm

from crm_warehouse.engine.job import SyncRequest, SyncResult
from crm_warehouse.engine.reconcile import ReconcileRequest, reconcile
from crm_warehouse.engine.reprocess import (
    ReprocessRequest,
    find_reprocessable,
    reprocess,
)
from crm_warehouse.engine.sync import run_sync
from crm_warehouse.errors import ConfigurationError
from crm_warehouse.spec import FieldMap, Source

NAMES = "SELECT source_id, name FROM warehouse.divisions ORDER BY source_id"


def with_modern(source: Source) -> Source:
    """Genius, and a profile whose divisions have their names elsewhere."""
    source = replace(source, quotas=())
    old = source.entities["divisions"]
    fields = (FieldMap("name", (("title",),)), FieldMap("status", (("state",),)))
    entities = source.entities | {"divisions": replace(old, fields=fields)}
    modern = replace(source, profile="modern", entities=entities)
    return replace(source, profiles={"modern": modern})


@pytest.fixture
def family(genius: Source) -> Source:
    return with_modern(genius)


@pytest.fixture
def crm() -> ScriptedCrm:
    records = {"1": {"id": "1", "name": "North", "title": "Nord"}}
    return ScriptedCrm({"divisions": records})


def sync(
    warehouse: str, crm: ScriptedCrm, source: Source, mode: Any, **more: Any
) -> SyncResult:
    entity = source.entities["divisions"]
    request = SyncRequest(source, entity, source.name, mode, **more)
    return run_sync(request, conninfo=warehouse, open_client=crm.open_client)


def test_only_a_full_load_changes_the_profile(
    warehouse: str, conn: Connection, family: Source, crm: ScriptedCrm
) -> None:
    modern = family.profiles["modern"]
    sync(warehouse, crm, family, "incremental")
    assert rows(conn, NAMES) == [("1", "North")]

    for mode in ("incremental", "replay"):
        with pytest.raises(ConfigurationError, match="load it in mode full"):
            sync(warehouse, crm, modern, mode)
    entity = modern.entities["divisions"]
    with pytest.raises(ConfigurationError, match="was loaded with no profile, and the"):
        reconcile(
            ReconcileRequest(modern, entity, modern.name),
            conninfo=warehouse,
            open_client=crm.open_client,
        )
    assert sync(warehouse, crm, modern, "full").status == "success"

    assert rows(conn, NAMES) == [("1", "Nord")]
    assert sync(warehouse, crm, modern, "replay").records_unchanged == 1
    with pytest.raises(
        ConfigurationError, match="profile 'modern', and the connection"
    ):
        sync(warehouse, crm, family, "incremental")


def test_nothing_goes_on_until_the_full_load_has_ended(
    warehouse: str, conn: Connection, family: Source, crm: ScriptedCrm
) -> None:
    """It may have been stopped by a guard, with both profiles' records in raw."""
    modern = family.profiles["modern"]
    sync(warehouse, crm, family, "incremental")
    sync(warehouse, crm, modern, "full")
    conn.execute(
        "UPDATE ops.sync_jobs SET status = 'failed', error_type = 'guard',"
        " guard = 'mass_delete' WHERE job_type = 'full'"
    )

    for mode in ("incremental", "replay"):
        with pytest.raises(ConfigurationError, match="still has records of no profile"):
            sync(warehouse, crm, modern, mode)
    with pytest.raises(ConfigurationError, match="was loaded with profile 'modern'"):
        sync(warehouse, crm, family, "incremental")
    sync(warehouse, crm, modern, "full")
    assert sync(warehouse, crm, modern, "incremental").status == "success"


def test_what_asks_no_source_maps_as_the_profile_does(
    warehouse: str, conn: Connection, family: Source, crm: ScriptedCrm
) -> None:
    crm.records["divisions"]["2"] = {"id": None, "title": "nobody"}
    modern = family.profiles["modern"]
    sync(warehouse, crm, modern, "full")
    entity = family.entities["divisions"]

    # Nothing was mended: the mapping that the reject was tried with is the profile's.
    assert find_reprocessable(conn, family, family.name) == []
    request = ReprocessRequest(family, entity, family.name)
    assert reprocess(request, conninfo=warehouse).records_failed == 1
    assert find_reprocessable(conn, family, family.name) == []
    [(profile,)] = rows(
        conn, "SELECT spec #>> '{source,profile}' FROM ops.source_specs"
    )
    assert profile == "modern"


def test_a_job_of_another_profile_is_not_resumed(
    warehouse: str, conn: Connection, family: Source, crm: ScriptedCrm
) -> None:
    sync(warehouse, crm, family, "full")
    conn.execute("UPDATE ops.sync_jobs SET status = 'running', completed_at = NULL")

    sync(warehouse, crm, family.profiles["modern"], "full")

    jobs = rows(conn, "SELECT status, arguments ->> 'profile' FROM ops.sync_jobs")
    assert len(jobs) == 2
    assert jobs[1] == ("success", "modern")


def test_a_profile_that_is_gone_leaves_the_source_as_it_is(
    warehouse: str, conn: Connection, family: Source, crm: ScriptedCrm
) -> None:
    sync(warehouse, crm, family.profiles["modern"], "full")
    alone = replace(family, profiles={})

    with pytest.raises(
        ConfigurationError, match="profile 'modern', and the connection"
    ):
        sync(warehouse, crm, alone, "replay")
