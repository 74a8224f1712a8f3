"""``csv:`` of an entity: what it may say, and what is wrong with it."""

from pathlib import Path

import pytest

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.ways_in import CsvWay

GENIUS = (default_directory() / "genius.yaml").read_text("utf-8")
FIRST = "      columns:\n        id: [Prospect ID, ProspectNumber]\n"


def changed(folder: Path, old: str, new: str) -> Path:
    assert old in GENIUS
    path = folder / "genius.yaml"
    path.write_text(GENIUS.replace(old, new, 1))
    return path


def test_it_loads_as_a_way_in() -> None:
    source = load_source(default_directory() / "genius.yaml")
    entity = source.entities["prospects"]

    assert entity.csv is not None
    assert "csv" in entity.vias
    assert entity.dag_id_via("csv") == "genius__prospects__csv"
    assert entity.crons("csv") == (None, None)
    assert entity.csv.columns["id"] == ("Prospect ID", "ProspectNumber")
    assert (entity.csv.encoding, entity.csv.delimiter) == (None, None)


def test_all_its_keys(tmp_path: Path) -> None:
    more = (
        "      delimiter: tab\n      encoding: latin1\n      decimal_comma: true\n"
        "      time_zone: America/Chicago\n      value_form: text\n"
    )
    way = load_source(changed(tmp_path, FIRST, more + FIRST)).entities["prospects"].csv

    assert isinstance(way, CsvWay)
    assert (way.delimiter, way.encoding, way.decimal_comma) == ("\t", "iso8859-1", True)
    assert (way.time_zone, way.value_form) == ("America/Chicago", "text")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[Prospect ID, ProspectNumber]", "[City]", "'City' is a header of city"),
        ("    id: id\n", "    id: ident\n", "must name the record's id"),
        ("integers: [id, ", "integers: [ident, ", "'ident' is no key of columns"),
        ("%m/%d/%Y %H:%M", "%H:%M", "is no form of a date"),
        (FIRST, "      time_zone: Mars\n" + FIRST, "'Mars' is no time zone"),
        (FIRST, "      encoding: klingon\n" + FIRST, "'klingon' is no encoding"),
        (FIRST, "      delimiter: '#'\n" + FIRST, "unknown word '#'"),
    ],
)
def test_what_is_wrong_is_told(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_source(changed(tmp_path, old, new))
