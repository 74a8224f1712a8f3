"""An answer that leaves records out comes from a source that works."""

from collections.abc import Callable
from typing import Any

import pytest

from crm_warehouse.clients import hubspot_associations, hubspot_batches
from crm_warehouse.errors import TransientSourceError


@pytest.mark.parametrize(
    "read",
    [hubspot_batches._read_batch, lambda said: hubspot_associations._read(said, [])],
    ids=["records", "associations"],
)
def test_it_does_not_count_for_the_circuit_breaker(read: Callable[[Any], Any]) -> None:
    with pytest.raises(TransientSourceError) as caught:
        read({"results": [], "errors": [{"category": "INTERNAL"}]})

    assert caught.value.is_up
