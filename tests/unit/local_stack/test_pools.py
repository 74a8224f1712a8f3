"""Pools against a real HTTP server that speaks the few calls of Airflow's API."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from crm_warehouse.source_files import load_sources
from crm_warehouse.spec import Source
from include.local_stack.errors import StackError
from include.local_stack.pools import AirflowApi
from include.local_stack.settings import ROOT

PASSWORD = "right"
PREFIX = "/api/v2/pools"


class Airflow(BaseHTTPRequestHandler):
    pools: dict[str, dict[str, Any]]

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        pool = self.pools.get(self.path.removeprefix(f"{PREFIX}/"))
        self._answer(200 if pool else 404, pool or {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/auth/token":
            right = body == {"username": "admin", "password": PASSWORD}
            self._answer(201 if right else 401, {"access_token": "t"})
        elif self.path != PREFIX or self.headers["Authorization"] != "Bearer t":
            self._answer(403, {})
        else:
            self.pools[body["name"]] = body
            self._answer(201, body)

    def _answer(self, status: int, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def url() -> Iterator[str]:
    Airflow.pools = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Airflow) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def source() -> Source:
    return load_sources(ROOT / "include" / "sources")["genius"]


def test_each_source_gets_its_pool_once(url: str, source: Source) -> None:
    with AirflowApi(url, "admin", PASSWORD) as api:
        assert api.make_pools([source]) == []
        made = dict(Airflow.pools)
        assert api.make_pools([source]) == []
    pool = made["genius_api"]
    assert pool["slots"] == source.max_concurrent
    assert pool["include_deferred"] is False
    assert Airflow.pools == made


def test_slots_that_a_person_set_stay_and_are_told(url: str, source: Source) -> None:
    with AirflowApi(url, "admin", PASSWORD) as api:
        api.make_pools([source])
        more = replace(source, max_concurrent=source.max_concurrent + 1)
        (note,) = api.make_pools([more])
    assert "genius_api has" in note
    assert Airflow.pools["genius_api"]["slots"] == source.max_concurrent


def test_a_refused_password_is_explained_without_it(url: str) -> None:
    with pytest.raises(StackError, match="refuses user admin") as caught:
        AirflowApi(url, "admin", "wrong-word")
    assert "wrong-word" not in str(caught.value)
