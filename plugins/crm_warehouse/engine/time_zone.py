"""The zone of a source account, at whose midnight its quotas of a day begin anew.

It is asked for while there is quota left: when that is used up, nobody is answered.
"""

import threading
from collections.abc import Iterator

from crm_warehouse.clients.interface import SourceClient
from crm_warehouse.engine import jobs
from crm_warehouse.engine.gate import QuotaGate
from crm_warehouse.engine.jobs import Connection, Job
from crm_warehouse.engine.read_ahead import HEARTBEAT_SECONDS, ReadAhead


def learn_time_zone(
    conn: Connection,
    job: Job,
    quota: QuotaGate,
    client: SourceClient,
    stop: threading.Event,
) -> None:
    """Ask for the zone where nobody has done so for a week.

    Raises:
        SourceError: The source does not answer.
        WaitError: It wants a pause.
    """
    if not quota.lacks_time_zone():
        return
    answers = ReadAhead(_ask(client, quota), stop)
    try:
        while True:
            jobs.beat(conn, job)
            try:
                answers.next(HEARTBEAT_SECONDS)
            except TimeoutError:
                continue
            return
    except BaseException:
        stop.set()
        raise
    finally:
        answers.join()


def _ask(client: SourceClient, quota: QuotaGate) -> Iterator[None]:
    quota.save_time_zone(client.time_zone())
    yield None
