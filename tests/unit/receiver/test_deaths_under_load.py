"""Processes die while sources send and repeat: what was acknowledged is there, once."""

from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from stored import bodies

from include.local_stack.postgres import Postgres
from tests.proof.commit_proxy import CommitProxy
from tests.proof.hubspot_sender import EVENTS, PATH, call, signed
from tests.proof.receiver_clients import Clients
from tests.proof.receiver_deaths import BLOWS, Scene, wrongs
from tests.proof.receiver_process import Start


@pytest.mark.parametrize("blow", BLOWS, ids=lambda blow: blow.__name__)
def test_nothing_acknowledged_is_lost_and_nothing_doubled(
    start: Start,
    server: Postgres,
    safe_warehouse: str,
    blow: Callable[[Scene], None],
) -> None:
    # Whoever runs the database may prefer speed; here the receiver does not.
    with psycopg.connect(safe_warehouse, autocommit=True) as conn:
        name = conn.info.dbname
        conn.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    scene = Scene(lambda: start(safe_warehouse, CRM_WAREHOUSE_ENV="prod"), server)
    clients = Clients(scene.port, 8)
    with clients.sending():
        for _ in range(2):
            clients.wait_for_more(40)
            blow(scene)
        clients.wait_for_more(40)

    assert list(wrongs(safe_warehouse, clients)) == []


def test_a_commit_whose_answer_is_lost_is_asked_for_again_and_stored_once(
    start: Start, postgres: Postgres, warehouse: str
) -> None:
    with CommitProxy(lambda: postgres.port, "webhook_receiver") as proxy:
        receiver = start(make_conninfo(warehouse, port=proxy.port))
        insert = "INSERT INTO staging.webhook_deliveries"
        proxy.watch("webhook_receiver", 1, "after", only=insert)
        headers = signed()
        answer = call(receiver.port, "POST", PATH, headers, EVENTS)
        assert (answer.status, answer.code) == (503, "INBOX_UNAVAILABLE")
        assert proxy.struck.is_set()
        assert bodies(warehouse) == [EVENTS]
        proxy.release()

        assert call(receiver.port, "POST", PATH, headers, EVENTS).status == 200
        assert bodies(warehouse) == [EVENTS]
