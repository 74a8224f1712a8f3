"""Spreads the suite over the entities of each source, and opens its house."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from crm_warehouse.spec import Source
from include.sandbox.crm import Crm
from tests.proof.house import House, Open
from tests.proof.meddler import Meddler, meddler
from tests.proof.oracle import FILLED

# Or a failure in the suite would not say what it compared.
pytest.register_assert_rewrite(
    "tests.integration.conformance.suite", "tests.integration.conformance.described"
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every entity; a third of all orders in which they may be loaded; every attack."""
    system = getattr(metafunc.cls, "system", None)
    if system is None:
        return
    entities = getattr(metafunc.cls, "entities", None) or FILLED[system]
    if "entity" in metafunc.fixturenames:
        metafunc.parametrize("entity", entities)
    if "order" in metafunc.fixturenames:
        family = [e for e in entities if e not in metafunc.cls.alone]
        orders = list(itertools.permutations(family))[::3]
        metafunc.parametrize("order", orders, ids="-".join)
    if "attack" in metafunc.fixturenames:
        attacks = metafunc.cls.attacks
        metafunc.parametrize("attack", attacks.values(), ids=list(attacks))


@pytest.fixture
def house(open_house: Open, request: pytest.FixtureRequest) -> House:
    """The house of the class's source."""
    return open_house(request.cls.system)


@pytest.fixture
def tables(request: pytest.FixtureRequest, entity: str) -> tuple[str, ...]:
    """The unified tables that the entity's records fill."""
    return FILLED[request.cls.system][entity]


@pytest.fixture
def make_house(warehouse: str) -> Callable[[Source, Crm], House]:
    """Another house in front of the same CRM and warehouse."""
    return lambda source, crm: House(warehouse, crm, source)


@pytest.fixture
def between(
    open_house: Open, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Meddler]]:
    """Stands in front of a system's CRM."""
    main = request.cls.main
    with ExitStack() as servers:
        yield lambda system: servers.enter_context(meddler(open_house(system), main))
