"""What the source announced for a job's window, and what came: ``ops.sync_windows``."""

from dataclasses import dataclass
from typing import Literal

from crm_warehouse.engine.chunk import Chunk
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.queries import query

#: How a reading of a window ended, but for ``short``, which begins another.
Ended = Literal["complete", "repeated", "uncounted"]


@dataclass(frozen=True, slots=True)
class WindowPart:
    """How far the reading of a window stands behind a chunk.

    Attributes:
        way: ``search`` for pages of an index, else ``list``.
        announced: Records of the window by the chunk's last page, or None.
        collected: Different records that the job has by then.
    """

    way: Literal["list", "search"]
    announced: int | None
    collected: int


def save_part(conn: Connection, job: Job, chunk: Chunk, part: WindowPart) -> None:
    """Add a chunk to its reading; part of the chunk's transaction."""
    conn.execute(
        query("save_window"),
        {
            "job_id": job.id,
            "way": part.way,
            "announced": part.announced,
            "received": chunk.received,
            "collected": part.collected,
            "requests": chunk.requests,
        },
    )
