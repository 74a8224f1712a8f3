"""What the UI tells about a DAG agrees with what its file says."""

from dataclasses import replace

import pytest

from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Quota, Source
from include.dag_docs import entity_doc, webhooks_doc


def load(name: str) -> Source:
    return load_source(default_directory() / f"{name}.yaml")


def lines(source_name: str, entity_name: str) -> list[str]:
    source = load(source_name)
    return entity_doc(source, source.entities[entity_name]).splitlines()


@pytest.mark.parametrize(
    ("source", "entity", "tables"),
    [
        ("genius", "prospects", "**`warehouse.contacts`**"),
        ("hubspot", "deals", "**`warehouse.leads`**, **`warehouse.lead_contacts`**"),
        (
            "hubspot",
            "companies",
            "**`warehouse.companies`**, **`warehouse.company_contacts`**",
        ),
        (
            "activeprospect",
            "leads",
            "**`warehouse.leads`**, **`warehouse.contacts`**",
        ),
    ],
)
def test_all_tables_that_an_entity_fills(source: str, entity: str, tables: str) -> None:
    (told,) = [line for line in lines(source, entity) if line.startswith("Loads")]

    assert f"into {tables}; the payloads" in told


def test_webhooks_fill_the_link_tables_too() -> None:
    source = load("hubspot")

    assert (
        "| Fills | `warehouse.companies`, `warehouse.company_contacts`, "
        "`warehouse.contacts`, `warehouse.lead_contacts`, `warehouse.leads` |"
    ) in webhooks_doc(source).splitlines()


def test_a_quota_of_one_kind_is_not_everybodys() -> None:
    assert (
        "| Quota of the account | 100 requests in 10 s, 250,000 requests in 1 d, "
        "shared by everything that asks this API; 5 requests in 1 s for `search` "
        "requests only |"
    ) in lines("hubspot", "contacts")


@pytest.mark.parametrize(
    ("quotas", "told"),
    [
        ((), "none"),
        (
            (Quota("a", 5, 1.0, "search"),),
            "5 requests in 1 s for `search` requests only",
        ),
        (
            (Quota("a", 9, 0.5), Quota("b", 9, 900.0), Quota("c", 9, 3600.0)),
            "9 requests in 0.5 s, 9 requests in 15 min, 9 requests in 1 h, "
            "shared by everything that asks this API",
        ),
    ],
)
def test_quotas_in_words(quotas: tuple[Quota, ...], told: str) -> None:
    source = load("genius")
    made = replace(source, quotas=quotas)

    doc = entity_doc(made, made.entities["users"])

    assert f"| Quota of the account | {told} |" in doc.splitlines()


def test_the_command_can_be_typed_as_it_stands() -> None:
    assert (
        "**Same from a terminal:** "
        "`.venv/bin/python -m crm_warehouse sync --source genius --entity users`"
    ) in lines("genius", "users")
