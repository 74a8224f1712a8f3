"""Imports of files whose process was killed, and that nobody gives again."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from crm_warehouse.engine import reading
from crm_warehouse.engine.maintenance import Act, MaintenanceRequest, maintain
from tests.proof.house import House

ROWS = 300


class PowerCutError(BaseException):
    """Ends an import as a kill would: nothing more is written."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "march.csv"
    path.write_text(
        "id,first_name\n" + "".join(f"{n},Ada\n" for n in range(1, ROWS + 1))
    )
    return path


@pytest.fixture
def killed(house: House, file: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A third of the file is imported; since then nobody works on it."""
    monkeypatch.setattr(reading, "CHUNK_RECORDS", 100)

    def cut(so_far: Any) -> None:
        if so_far.records_processed:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        house.import_file("prospects", file, progress=cut)
    house.rows("UPDATE ops.sync_jobs SET heartbeat_at = now() - interval '21 min'")
    return house


def end_imports(house: House) -> Act:
    report = maintain(MaintenanceRequest([house.source]), conninfo=house.conninfo)
    [found] = [each for each in report.acts if each.act == "end_imports"]
    assert found.error is None
    return found


def job(house: House) -> dict[str, Any]:
    [row] = house.rows("SELECT * FROM ops.sync_jobs")
    return row


def test_a_dead_import_is_ended_and_says_what_to_do(killed: House) -> None:
    act = end_imports(killed)

    ended = job(killed)
    assert (act.found, act.done, act.details) == (1, 1, {"jobs": [ended["id"]]})
    assert (ended["status"], ended["error_type"]) == ("failed", "transient")
    assert ended["error_message"].startswith("the import of march.csv was killed; put")
    [told] = killed.rows(
        "SELECT error_message FROM ops.sync_errors WHERE error_type = 'transient'"
    )
    assert told["error_message"] == ended["error_message"]
    assert killed.value("SELECT failed_syncs FROM ops.sync_metrics") == 1
    assert end_imports(killed).found == 0


def test_given_again_it_goes_on_in_the_middle(killed: House, file: Path) -> None:
    end_imports(killed)

    result = killed.import_file("prospects", file)

    assert (result.status, result.records_processed) == ("success", ROWS)
    assert (job(killed)["attempt"], result.records_repeated) == (2, 0)
    assert killed.value("SELECT count(*) FROM warehouse.contacts") == ROWS


def test_one_whose_process_may_come_back_is_left_alone(killed: House) -> None:
    killed.rows("UPDATE ops.sync_jobs SET heartbeat_at = now() - interval '19 min'")

    assert end_imports(killed).found == 0
    assert job(killed)["status"] == "running"


def test_one_whose_entity_somebody_works_on_is_left_alone(killed: House) -> None:
    lock = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
    with psycopg.connect(killed.conninfo) as somebody:
        somebody.execute(lock, ["crm_warehouse:genius:prospects"])
        act = end_imports(killed)

    assert (act.found, job(killed)["status"]) == (0, "running")
    assert end_imports(killed).found == 1
