"""A small right source file that tests change in one place."""

from pathlib import Path

import pytest

from crm_warehouse.errors import ConfigurationError
from crm_warehouse.source_files import load_source

SMALL = """\
source: acme
title: Acme CRM
owner: sales-ops
client: genius
connection: acme_default
base_url: https://api.acme.example/v1
quotas:
  - {name: hourly, requests: 1000, per: 1h}
retry: {strategy: fixed, delay: 30s, attempts: 2}
paging: {style: number, page_param: page, size_param: per_page, size: 50, max_size: 100}
lag: 0s
clock_skew: 1m
max_concurrent: 2
region: US
entities:
  people:
    into: contacts
    path: /people
    records: data
    id: id
    map:
      email: email
  visits:
    into: appointments
    path: /visits
    records: data
    id: id
    map:
      scheduled_date: when
"""


def write(folder: Path, text: str = SMALL, name: str = "acme.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def changed(old: str, new: str) -> str:
    """SMALL with one place replaced; the place must be there."""
    assert old in SMALL
    return SMALL.replace(old, new, 1)


def problems_of(path: Path) -> list[str]:
    """Messages of a wrong file, without the folder."""
    with pytest.raises(ConfigurationError) as caught:
        load_source(path)
    folder = f"{path.parent}/"
    assert all(line.startswith(folder) for line in caught.value.problems)
    return [line.removeprefix(folder) for line in caught.value.problems]
