"""A scope that is missing skips one entity; versions of the API are the YAML's."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from crm_warehouse.errors import MissingScopeError
from crm_warehouse.source_files import default_directory, load_source
from tests.proof.house import House, Open
from tests.proof.oracle import compare_all


@pytest.fixture
def house(open_house: Open) -> House:
    return open_house("hubspot")


@pytest.mark.parametrize("scope", ["crm.objects.deals.read", "crm.schemas.deals.read"])
def test_a_missing_scope_skips_its_entity_and_says_so(house: House, scope: str) -> None:
    house.sandbox.configure(withheld_scopes=[scope])

    with pytest.raises(MissingScopeError, match=rf"missing: {re.escape(scope)}"):
        house.sync("deals")

    (job,) = house.rows("SELECT * FROM ops.sync_jobs")
    assert (job["status"], job["error_type"]) == ("failed", "missing_scope")
    assert scope in job["error_message"]
    (error,) = house.rows("SELECT * FROM ops.sync_errors")
    assert (error["error_type"], error["severity"]) == ("missing_scope", "error")
    assert house.sync("contacts").status == "success"
    assert compare_all(house.conninfo, house.sandbox, "contacts") == {}

    house.sandbox.configure(withheld_scopes=[])

    assert house.sync("deals").status == "success"
    assert compare_all(house.conninfo, house.sandbox, "deals") == {}


def test_the_version_of_the_api_is_configuration(house: House, tmp_path: Path) -> None:
    text = (default_directory() / "hubspot.yaml").read_text("utf-8")
    dated = re.sub(r"/crm/v[34]/(\w+)/", r"/crm/\1/2026-03/", text)
    dated = re.sub(r"/crm/v3/(\w+)\b", r"/crm/\1/2026-03", dated)
    (tmp_path / "hubspot.yaml").write_text(dated, "utf-8")
    former, source = house.source, load_source(tmp_path / "hubspot.yaml")
    assert source.entities["deals"].path == "/crm/objects/2026-03/deals"
    source = replace(source, quotas=(), retry=former.retry)
    chosen = House(house.conninfo, house.sandbox, source)

    assert chosen.sync("deals").status == "success"
    house.sandbox.move("deals", "change", 20)
    assert chosen.sync("deals").records_updated == 20

    assert compare_all(house.conninfo, house.sandbox, "deals") == {}
    paths = {entry["path"] for entry in house.sandbox.log()}
    assert [path for path in paths if re.search(r"/v[34]/", path)] == []
