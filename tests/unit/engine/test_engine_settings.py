"""Settings: run parameter, then ops.sync_configurations, then YAML."""

import dataclasses
from typing import Any

import pytest
from engine_load import Connection, rows
from psycopg.types.json import Jsonb

from crm_warehouse.engine import settings
from crm_warehouse.engine.job import SyncRequest
from crm_warehouse.errors import ConfigurationError, SyncDisabledError
from crm_warehouse.spec import Source


@pytest.fixture
def request_(genius: Source) -> SyncRequest:
    """A sync with nothing asked for; the API allows 500 records a request."""
    source = dataclasses.replace(
        genius, paging=dataclasses.replace(genius.paging, max_size=500)
    )
    entity = genius.entities["prospects"]
    return SyncRequest(source, entity, source_system="genius", mode="incremental")


def configure(conn: Connection, request: SyncRequest, **row: Any) -> None:
    settings.load(conn, request)
    for column, value in row.items():
        stored = Jsonb(value) if column == "config" else value
        conn.execute(f"UPDATE ops.sync_configurations SET {column} = %s", [stored])


def test_who_comes_first_decides_and_the_api_limits(
    conn: Connection, request_: SyncRequest
) -> None:
    cases: list[tuple[int | None, dict[str, Any], int]] = [
        (None, {}, 100),
        (None, {"batch_size": 50}, 50),
        (20, {"batch_size": 50}, 20),
        (20, {}, 20),
        (1, {}, 1),
        (1000, {}, 500),
        (None, {"batch_size": 1000}, 500),
    ]
    for asked, config, size in cases:
        configure(conn, request_, config=config)
        request = dataclasses.replace(request_, batch_size=asked)
        assert settings.load(conn, request).page_size == size
        configure(conn, request_, config={})


def test_the_share_of_deletes(conn: Connection, request_: SyncRequest) -> None:
    assert settings.load(conn, request_).max_delete_share == 0.2
    for share in (0, 0.5, 1):
        configure(conn, request_, config={"max_delete_share": share})
        assert settings.load(conn, request_).max_delete_share == share


def test_the_factor_of_volume(conn: Connection, request_: SyncRequest) -> None:
    assert settings.load(conn, request_).max_volume_factor == 10
    for factor in (1, 2.5, 1000):
        configure(conn, request_, config={"max_volume_factor": factor})
        assert settings.load(conn, request_).max_volume_factor == factor


def test_a_batch_size_out_of_range_is_refused(
    conn: Connection, request_: SyncRequest
) -> None:
    for size in (0, -1, 1001):
        request = dataclasses.replace(request_, batch_size=size)
        with pytest.raises(ConfigurationError, match=f"size {size}: .* 1 to 1000"):
            settings.load(conn, request)


def test_a_wrong_configuration_says_where_and_what(
    conn: Connection, request_: SyncRequest
) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"batch_size": 0}, "config.batch_size: .*1"),
        ({"batch_size": 1001}, "config.batch_size: .*1000"),
        ({"batch_size": "50"}, "config.batch_size: .*integer"),
        ({"batch_size": True}, "config.batch_size: .*integer"),
        ({"batch_size": 1.5}, "config.batch_size: .*integer"),
        ({"batch_size": None}, "config.batch_size: .*null"),
        ({"batch_siez": 50}, "config.batch_siez: Unknown"),
        ({"max_delete_share": 1.1}, "config.max_delete_share: .*1"),
        ({"max_delete_share": -0.1}, "config.max_delete_share: .*0"),
        ({"max_delete_share": "all"}, "config.max_delete_share: .*number"),
        ({"max_volume_factor": 0.5}, "config.max_volume_factor: .*1"),
    ]
    for config, message in wrong:
        configure(conn, request_, config={})
        configure(conn, request_, config=config)
        with pytest.raises(ConfigurationError, match=message) as raised:
            settings.load(conn, request_)
        assert "ops.sync_configurations, genius__prospects" in str(raised.value)
        conn.execute("DELETE FROM ops.sync_configurations")


def test_what_is_switched_off_is_not_loaded(
    conn: Connection, request_: SyncRequest
) -> None:
    configure(conn, request_, is_active=False)
    with pytest.raises(SyncDisabledError, match="is_active = true"):
        settings.load(conn, request_)

    configure_again = "UPDATE ops.sync_configurations SET is_active = true"
    conn.execute(configure_again)
    assert settings.load(conn, request_).page_size == 100


def test_the_row_is_declared_once_and_follows_the_yaml_schedule(
    conn: Connection, request_: SyncRequest
) -> None:
    settings.load(conn, request_)
    row = "SELECT id, name, source_system, entity_type, schedule, ctid FROM {}"
    row = row.format("ops.sync_configurations")
    first = rows(conn, row)
    settings.load(conn, request_)
    assert rows(conn, row) == first
    assert first[0][1:5] == (
        "genius__prospects",
        "genius",
        "prospects",
        request_.entity.schedule,
    )

    moved = dataclasses.replace(request_.entity, schedule="0 * * * *")
    settings.load(conn, dataclasses.replace(request_, entity=moved))
    assert rows(conn, row)[0][:5] == (*first[0][:4], "0 * * * *")
