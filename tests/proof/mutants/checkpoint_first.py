"""A broken product: a chunk's checkpoint is committed before its rows."""

from typing import Any

from crm_warehouse.engine.chunk import Chunk, SeenIds
from crm_warehouse.engine.loader import Loader
from tests.proof.small_chunks import main

_write = Loader.write


def _checkpoint_first(
    self: Loader, job: Any, chunk: Chunk, checkpoint: Any, *rest: Any, **more: Any
) -> Any:
    nothing = Chunk(chunk._mapping, SeenIds(()))
    before = _write(self, job, nothing, checkpoint)
    return _write(self, before, chunk, checkpoint, *rest, **more)


if __name__ == "__main__":
    setattr(Loader, "write", _checkpoint_first)  # noqa: B010  another signature
    main()
