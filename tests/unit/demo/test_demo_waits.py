"""The demonstration bears what passes: an API or a warehouse that does not answer."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest

from include.local_stack import demo_patience
from include.local_stack.demo_api import DemoApi
from include.local_stack.demo_patience import wait_until
from include.local_stack.errors import PassingError, StackError


class Airflow(BaseHTTPRequestHandler):
    """Answers from a script; ``None`` hangs up without an answer."""

    script: list[tuple[int, Any] | None]

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._answer(self.script.pop(0))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer((201, {"access_token": "t"}))

    def _answer(self, answer: tuple[int, Any] | None) -> None:
        if answer is None:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        content = json.dumps(answer[1]).encode()
        self.send_response(answer[0])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoApi]:
    monkeypatch.setattr(wait_until, "__defaults__", (0.01,))
    with ThreadingHTTPServer(("127.0.0.1", 0), Airflow) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        try:
            with DemoApi(f"http://127.0.0.1:{server.server_port}", "a", "p") as made:
                yield made
        finally:
            server.shutdown()
            thread.join()


_GOOD = (200, {"dags": [{"dag_id": "a"}]})


def test_a_fault_that_passes_is_waited_out(api: DemoApi) -> None:
    Airflow.script = [None, (503, {}), (200, {"dags": []}), _GOOD]
    api.wait_for_dags(["a"], seconds=30)
    assert Airflow.script == []


def test_a_fault_that_stays_is_told_at_the_deadline(api: DemoApi) -> None:
    Airflow.script = [None, None]
    with pytest.raises(StackError, match="does not answer at http://127"):
        api.wait_for_dags(["a"], seconds=0)


def test_a_refusal_is_not_asked_again(api: DemoApi) -> None:
    Airflow.script = [(403, {}), _GOOD]
    with pytest.raises(StackError, match="answers 403 to GET dags") as caught:
        api.wait_for_dags(["a"], seconds=30)
    assert not isinstance(caught.value, PassingError)


def test_a_task_that_waits_is_found(api: DemoApi) -> None:
    Airflow.script = [
        (200, {"task_instances": []}),
        (200, {"task_instances": [{"state": "deferred"}]}),
    ]

    found = [api.is_deferred("a", "wait") for _ in range(2)]

    assert found == [False, True]


def test_nobody_listens() -> None:
    with pytest.raises(PassingError, match="make status"):
        DemoApi("http://127.0.0.1:1", "a", "p")


def test_a_warehouse_that_comes_back_is_waited_for() -> None:
    faults: list[Exception] = [psycopg.OperationalError("gone"), PassingError("503")]

    def done() -> bool:
        if faults:
            raise faults.pop()
        return True

    wait_until(done, 30, lambda: "late", poll_seconds=0.01)
    assert not faults


def test_late_is_told() -> None:
    with pytest.raises(StackError, match="late"):
        demo_patience.wait_until(lambda: False, 0, lambda: "late")
