"""Airflow pools: how many runs of one source may work at the same time."""

from collections.abc import Iterable

import requests

from crm_warehouse.spec import Source
from include.local_stack.errors import StackError

_TIMEOUT_SECONDS = 30


class AirflowApi:
    """Airflow's REST API as one user.

    Args:
        base_url: Where the API server listens.
        user: User name.
        password: Its password.
    """

    def __init__(self, base_url: str, user: str, password: str) -> None:
        self._base_url = base_url
        self._session = requests.Session()
        self._session.trust_env = False  # loopback: no proxy, no netrc
        answer = self._session.post(
            f"{base_url}/auth/token",
            json={"username": user, "password": password},
            timeout=_TIMEOUT_SECONDS,
        )
        if not answer.ok:
            self._session.close()
            raise StackError(
                f"Airflow refuses user {user} (status {answer.status_code}). Its "
                "password file and the running API server are not of one stack."
            )
        token = answer.json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> "AirflowApi":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def make_pools(self, sources: Iterable[Source]) -> list[str]:
        """Make the pools that are not there yet; slots a person set stay.

        Returns:
            A line for each pool whose slots differ from its source's file.
        """
        notes = []
        for source in sources:
            wanted = source.max_concurrent
            slots = self._slots(source.pool)
            if slots is None:
                self._make(source)
            elif slots != wanted:
                notes.append(
                    f"Pool {source.pool} has {slots} slots, the file of "
                    f"{source.name} says {wanted}; set it under Admin > Pools."
                )
        return notes

    def _slots(self, pool: str) -> int | None:
        url = f"{self._base_url}/api/v2/pools/{pool}"
        answer = self._session.get(url, timeout=_TIMEOUT_SECONDS)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return int(answer.json()["slots"])

    def _make(self, source: Source) -> None:
        body = {
            "name": source.pool,
            "slots": source.max_concurrent,
            "description": f"Runs of {source.title} at the same time",
            "include_deferred": False,
        }
        url = f"{self._base_url}/api/v2/pools"
        answer = self._session.post(url, json=body, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
