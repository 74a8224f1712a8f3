"""Where credentials may be sent to."""

import pytest

from crm_warehouse.connections import (
    Connection,
    base_url,
    base_url_problem,
    from_environment,
)
from crm_warehouse.errors import ConfigurationError

DEV = {"CRM_WAREHOUSE_ENV": "dev"}
DEFAULT = "https://api.genius.com/v1"


@pytest.mark.parametrize("host", [None, ""])
def test_the_source_file_says_where_unless_the_connection_does(
    host: str | None,
) -> None:
    assert base_url(Connection("c", host=host), DEFAULT, {}) == DEFAULT


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (
            '{"conn_type": "genius", "host": "http://127.0.0.1:8999/genius/v1"}',
            "http://127.0.0.1:8999/genius/v1",
        ),
        ('{"host": "https://h.example/v1/"}', "https://h.example/v1"),
        ('{"host": "https://h.example", "port": 8443}', "https://h.example:8443"),
        ('{"host": "https://h.example:1", "port": 1}', "https://h.example:1"),
        ('{"host": "https://h.example/v1", "port": 443}', "https://h.example/v1"),
        ('{"host": "h.example", "schema": "https"}', "https://h.example"),
        ('{"host": "localhost", "schema": "http"}', "http://localhost"),
        ('{"host": "h.example"}', "https://h.example"),
        ("http://:t@127.0.0.1:8999/genius%2Fv1", "http://127.0.0.1:8999/genius/v1"),
        ("http://:t@[::1]:8999/v1", "http://[::1]:8999/v1"),
        (
            "genius://:t@http%3A%2F%2F127.0.0.1%3A8999%2Fgenius%2Fv1",
            "http://127.0.0.1:8999/genius/v1",
        ),
        ("genius://https://:t@h.example:8443/v1", "https://h.example:8443/v1"),
        ("genius://:t@h.example/v1", "https://h.example/v1"),
    ],
)
def test_every_form_of_a_connection_makes_a_base_url(text: str, url: str) -> None:
    connection = from_environment("c", {"AIRFLOW_CONN_C": text})
    assert connection is not None

    assert base_url(connection, DEFAULT, DEV) == url


@pytest.mark.parametrize(
    "url",
    ["https://api.genius.com", "https://api.genius.com:8443/v1", "https://[::1]/v1"],
)
def test_https_is_allowed_everywhere(url: str) -> None:
    assert base_url_problem(url, {}) is None


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/x", "http://localhost", "http://[::1]:1", "http://127.9.9.9"],
)
def test_plain_http_is_for_this_machine_in_development(url: str) -> None:
    problem = base_url_problem(url, {"CRM_WAREHOUSE_ENV": "prod"})

    assert base_url_problem(url, DEV) is None
    assert problem == base_url_problem(url, {})
    assert problem == (
        "must begin with https://; plain http is for hosts of this machine only, with "
        "CRM_WAREHOUSE_ENV=dev"
    )


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://api.genius.com", "must begin with https://"),
        ("http://localhost.evil.example", "must begin with https://"),
        ("http://127.0.0.1.evil.example", "must begin with https://"),
        ("ftp://h", "must be a whole URL"),
        ("file:///etc/passwd", "must be a whole URL"),
        ("api.genius.com", "must be a whole URL"),
        ("https://", "must be a whole URL"),
        ("https://:443", "must be a whole URL"),
        ("https://u:canary@h", "must not hold credentials"),
        ("https://canary@h", "must not hold credentials"),
        ("https://h?canary=1", "neither query nor fragment"),
        ("https://h/#", "neither query nor fragment"),
        ("https://h/v1/", "must not end with a slash"),
        ("https://h/ v1", "blanks"),
        ("https://h\n/v1", "blanks"),
        ("https://h\\@evil", "backslashes"),
        ("https://h:99999", "is no URL"),
        ("https://h:0", "must not name port 0"),
        ("https://[canary", "is no URL"),
    ],
)
def test_other_urls_are_refused_and_not_shown(url: str, part: str) -> None:
    problem = base_url_problem(url, DEV)

    assert problem is not None
    assert part in problem
    assert "canary" not in problem


def test_the_message_names_the_connection() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^connection 'c': its host must be a"
    ):
        base_url(Connection("c", host="ftp://h"), DEFAULT, {})


def test_the_message_names_base_url_when_the_connection_has_no_host() -> None:
    with pytest.raises(
        ConfigurationError, match="'c' has no host, and base_url must b"
    ):
        base_url(Connection("c"), "http://h", {})
