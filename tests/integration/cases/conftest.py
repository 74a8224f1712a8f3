"""What the named cases share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.proof.house import Open
from tests.proof.meddler import Meddler, meddler

#: Puts a meddler in front of a system, by its name.
Between = Callable[[str], Meddler]


@pytest.fixture
def between(open_house: Open) -> Iterator[Between]:
    """Meddlers in front of the systems' CRMs; quotas off, no pauses."""
    with ExitStack() as servers:
        yield lambda system: servers.enter_context(meddler(open_house(system)))
