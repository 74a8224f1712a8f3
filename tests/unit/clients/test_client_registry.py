"""From the word in a source's YAML file to a client."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from crm_warehouse.clients.genius import GeniusClient
from crm_warehouse.clients.registry import CLIENTS, build_client
from crm_warehouse.errors import ConfigurationError


def test_known_client(client):
    assert isinstance(client, GeniusClient)


def test_unknown_client(source, gate):
    other = dataclasses.replace(source, client="genuis")
    with pytest.raises(ConfigurationError, match="'genuis' is unknown; known are a"):
        build_client(other, base_url=source.base_url, token="t", gate=gate)


def test_importing_the_registry_loads_no_http_library():
    code = (
        "import sys, crm_warehouse.clients.registry\n"
        "heavy = {'requests', 'urllib3', 'airflow', 'psycopg'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_source_file_names_a_known_client():
    for path in Path("include/sources").glob("*.yaml"):
        (line,) = [
            line for line in path.read_text().splitlines() if line.startswith("client:")
        ]
        assert line.split()[1] in CLIENTS
