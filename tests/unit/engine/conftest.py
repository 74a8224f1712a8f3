"""A migrated warehouse of each test, and loads of the real Genius definition."""

from collections.abc import Callable, Iterator

import pytest
from engine_load import Connection, Load, connect

from crm_warehouse.source_files import default_directory, load_source
from crm_warehouse.spec import Source
from include.local_stack.postgres import Postgres


@pytest.fixture(scope="session")
def genius() -> Source:
    return load_source(default_directory() / "genius.yaml")


@pytest.fixture
def conn(warehouse: str) -> Iterator[Connection]:
    with connect(warehouse) as connection:
        yield connection


@pytest.fixture(scope="session")
def shared_warehouse(postgres: Postgres, warehouse_template: str) -> Iterator[str]:
    """One warehouse for all tests that leave no rows behind, or clear theirs."""
    name = "warehouse_shared"
    postgres.create_database(name, "crm_warehouse", template=warehouse_template)
    yield postgres.conninfo(name, "crm_warehouse")
    postgres.drop_database(name)


@pytest.fixture
def shared_conn(shared_warehouse: str) -> Iterator[Connection]:
    with connect(shared_warehouse) as connection:
        yield connection


@pytest.fixture
def begin(genius: Source, conn: Connection) -> Callable[..., Load]:
    """Begins a job of an entity, on the test's connection unless another is named."""

    def begin(entity: str, on: Connection = conn, **asked: object) -> Load:
        return Load(on, genius, genius.entities[entity], **asked)

    return begin
