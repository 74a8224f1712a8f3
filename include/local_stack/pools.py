"""Airflow pools: how many runs of one source may work at the same time."""

from collections.abc import Iterable
from typing import Any, Self

import requests

from crm_warehouse.spec import Source
from include.local_stack.errors import PassingError, StackError

_TIMEOUT_SECONDS = 30


class AirflowApi:
    """Airflow's REST API as one user.

    Args:
        base_url: Where the API server listens.
        user: User name.
        password: Its password.

    Raises:
        PassingError: It does not answer, or answers 5xx.
        StackError: It refuses the user.
    """

    def __init__(self, base_url: str, user: str, password: str) -> None:
        self._base_url = base_url
        self._session = requests.Session()
        self._session.trust_env = False  # loopback: no proxy, no netrc
        try:
            token = self._sign_in(user, password)
        except BaseException:
            self._session.close()
            raise
        self._session.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def make_pools(self, sources: Iterable[Source]) -> list[str]:
        """Make the pools that are not there yet; slots a person set stay.

        Returns:
            A line for each pool whose slots differ from its source's file.

        Raises:
            StackError: Airflow does not answer, or refuses.
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

    def _sign_in(self, user: str, password: str) -> str:
        words = {"username": user, "password": password}
        answer = self._send("POST", "auth/token", words)
        if not answer.ok:
            raise StackError(
                f"Airflow refuses user {user} (status {answer.status_code}). Its "
                "password file and the running API server are not of one stack."
            )
        return str(_content(answer)["access_token"])

    def _slots(self, pool: str) -> int | None:
        path = f"pools/{pool}"
        answer = self._send("GET", f"api/v2/{path}")
        if answer.status_code == 404:
            return None
        return int(_checked(answer, "GET", path)["slots"])

    def _make(self, source: Source) -> None:
        body = {
            "name": source.pool,
            "slots": source.max_concurrent,
            "description": f"Runs of {source.title} at the same time",
            "include_deferred": False,
        }
        self._call("POST", "pools", body)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON value; anything but 2xx is a StackError."""
        return _checked(self._send(method, f"api/v2/{path}", body), method, path)

    def _send(self, method: str, path: str, body: Any = None) -> requests.Response:
        try:
            answer = self._session.request(
                method, f"{self._base_url}/{path}", json=body, timeout=_TIMEOUT_SECONDS
            )
        except requests.RequestException as error:
            raise PassingError(
                f"Airflow does not answer at {self._base_url} "
                f"({type(error).__name__}). `make status` shows what runs."
            ) from None
        if answer.status_code >= 500:
            raise PassingError(_refusal(answer, method, path))
        return answer


def _checked(answer: requests.Response, method: str, path: str) -> Any:
    if not answer.ok:
        raise StackError(_refusal(answer, method, path))
    return _content(answer)


def _content(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except requests.JSONDecodeError:
        raise PassingError(f"Airflow's answer at {answer.url} is no JSON.") from None


def _refusal(answer: requests.Response, method: str, path: str) -> str:
    return (
        f"Airflow answers {answer.status_code} to {method} {path}: {answer.text[:300]}"
    )
