"""Profiles: other APIs of the same source, written as changes of its own keys."""

from pathlib import Path

import pytest
from source_yaml import SMALL, problems_of, write

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import as_json, forecast, load_source
from crm_warehouse.spec import Deletes, FieldMap, with_profile

PROFILE = """\
profiles:
  modern:
    client: hubspot
    base_url: https://modern.acme.example
    paging: {style: cursor, cursor_param: after, size_param: limit, next: next, size: 9, max_size: 9}
    entities:
      people:
        path: /humans
        version: changed
        deletes: {max_share: 0.5}
        map:
          email: null
          phone: [phones.home, phones.work]
      visits: null
      dogs:
        into: leads
        path: /dogs
        records: data
        id: id
        map:
          status: {from: mood, on_error: keep}
"""  # noqa: E501
TEXT = SMALL + PROFILE
OWN = "is the source's, whatever its profile; leave it out"


def test_a_profile_is_the_source_with_its_changes(tmp_path: Path) -> None:
    source = load_source(write(tmp_path, TEXT))
    modern = with_profile(source, "modern")

    assert (source.profile, source.client) == ("", "genius")
    assert with_profile(source, "") is source
    assert (modern.profile, modern.client) == ("modern", "hubspot")
    assert (modern.name, modern.title, modern.quotas) == (
        source.name,
        source.title,
        source.quotas,
    )
    assert modern.paging.style == "cursor"
    people = modern.entities["people"]
    assert (people.path, people.records_path) == ("/humans", ("data",))
    assert people.raw_table == source.entities["people"].raw_table == "acme_people"
    assert people.version_path == ("changed",)
    assert people.deletes == Deletes(None, 0.5)
    assert people.fields == (
        FieldMap("phone", (("phones", "home"), ("phones", "work"))),
    )
    # The source itself is as it was.
    assert load_source(write(tmp_path, SMALL, "own.yaml")).entities == source.entities


def test_every_entity_of_any_profile_has_its_dag(tmp_path: Path) -> None:
    source = load_source(write(tmp_path, TEXT))

    assert list(source.entities) == ["people", "visits"]
    assert list(source.profiles["modern"].entities) == ["people", "dogs"]
    assert list(source.all_entities) == ["people", "visits", "dogs"]
    assert source.all_entities["people"] is source.entities["people"]
    assert source.entity("dogs") is source.profiles["modern"].entities["dogs"]


def test_an_unknown_profile_says_which_are_known(tmp_path: Path) -> None:
    source = load_source(write(tmp_path, TEXT))

    with pytest.raises(ConfigurationError) as caught:
        with_profile(source, "modren")

    assert str(caught.value) == (
        "source acme: there is no profile 'modren'; known: modern"
    )


def test_what_a_job_ran_with_names_the_profile(tmp_path: Path) -> None:
    modern = with_profile(load_source(write(tmp_path, TEXT)), "modern")

    spec = as_json(modern, modern.entities["people"])

    assert spec["source"]["profile"] == "modern"
    assert not {"profiles", "entities"} & spec["source"].keys()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "          email: null",
            "          emial: mail",
            "41:11: profiles.modern.entities.people.map.emial: unknown column 'emial' "
            "of contacts; did you mean 'email'?",
        ),
        (
            "    client: hubspot",
            "    clinet: hubspot",
            "32:5: profiles.modern.clinet: unknown key 'clinet'; did you mean "
            "'client'?",
        ),
        (
            "    client: hubspot",
            "    owner: somebody",
            f"32:5: profiles.modern.owner: {OWN}",
        ),
        (
            "        path: /humans",
            '        schedule: "1 * * * *"',
            "37:9: profiles.modern.entities.people.schedule: is the source's, which "
            "has this entity too; leave it out",
        ),
        (
            "    client: hubspot",
            "    client: null",
            "32:5: profiles.modern.client: is missing",
        ),
        (
            "        version: changed",
            "        deletes: 3",
            "38:9: profiles.modern.entities.people.deletes: is written twice, in lines "
            "38 and 39",
        ),
        ("  modern:\n", "  Modern-One:\n", None),
    ],
)
def test_problems_say_where_and_what(
    tmp_path: Path, old: str, new: str, problem: str | None
) -> None:
    assert old in TEXT
    found = problems_of(write(tmp_path, TEXT.replace(old, new, 1)))

    if problem is None:
        [problem] = found
        assert problem.startswith("acme.yaml:31:3: profiles.Modern-One: ")
    else:
        assert f"acme.yaml:{problem}" in found


def test_a_mistake_of_the_source_is_told_once(tmp_path: Path) -> None:
    assert problems_of(write(tmp_path, TEXT.replace("lag: 0s", "lag: soon"))) == [
        "acme.yaml:11:1: lag: 'soon' is no duration; write e.g. 500ms, 30s, 15m, 1h "
        "or 2d"
    ]


def test_a_profile_is_no_list(tmp_path: Path) -> None:
    text = SMALL + "profiles:\n  modern: [client]\n"

    assert problems_of(write(tmp_path, text)) == [
        "acme.yaml:31:3: profiles.modern: must be a mapping, not a list"
    ]


def test_schedules_must_fit_the_quotas_of_a_profile_too(tmp_path: Path) -> None:
    text = TEXT.replace(
        "    into: contacts", '    into: contacts\n    schedule: "* * * * *"'
    )
    few = "    client: hubspot\n    quotas: [{name: tiny, requests: 10, per: 1h}]"
    [warning] = forecast(
        load_source(write(tmp_path, text.replace("    client: hubspot", few)))
    )

    assert warning.startswith(
        "acme modern: the schedules start up to 60 runs in 1:00:00"
    )
