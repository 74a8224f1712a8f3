"""What a file may say of a plain REST API, and what has no place in a file."""

from pathlib import Path

import pytest
from source_yaml import changed, problems_of, write

from crm_warehouse.source_files import as_json, load_source
from crm_warehouse.spec import AuthStyle, Paging

OLD = "paging: {style: number, page_param: page, size_param: per_page, size: 50, "
ONCE = "size_param: n, size: 50, "


def with_paging(words: str) -> str:
    return changed(OLD, f"paging: {{{words}")


@pytest.mark.parametrize(
    ("words", "paging"),
    [
        (
            f"style: offset, offset_param: skip, more: has_more, total: meta.n, {ONCE}",
            Paging(
                "offset",
                "skip",
                "n",
                50,
                100,
                more_path=("has_more",),
                total_path=("meta", "n"),
            ),
        ),
        (
            f"style: next_url, next: links.next, {ONCE}",
            Paging("next_url", "", "n", 50, 100, ("links", "next")),
        ),
        (f"style: link, {ONCE}", Paging("link", "", "n", 50, 100)),
        (
            f"style: cursor, cursor_param: after, next: next, more: more, {ONCE}",
            Paging("cursor", "after", "n", 50, 100, ("next",), more_path=("more",)),
        ),
        (
            f"style: number, page_param: p, total: meta.n, total_pages: meta.p, {ONCE}",
            Paging(
                "number",
                "p",
                "n",
                50,
                100,
                total_path=("meta", "n"),
                pages_path=("meta", "p"),
            ),
        ),
    ],
)
def test_styles_of_paging(tmp_path: Path, words: str, paging: Paging) -> None:
    assert load_source(write(tmp_path, with_paging(words))).paging == paging


@pytest.mark.parametrize(
    ("words", "auth"),
    [
        ("{style: bearer}", AuthStyle()),
        ("{style: basic}", AuthStyle("basic")),
        ("{style: api_key, header: X-Key}", AuthStyle("api_key", "X-Key")),
        (
            "{style: api_key, header: Authorization, prefix: Token}",
            AuthStyle("api_key", "Authorization", "Token "),
        ),
    ],
)
def test_ways_to_show_credentials(tmp_path: Path, words: str, auth: AuthStyle) -> None:
    assert load_source(write(tmp_path)).auth == AuthStyle()
    text = changed("region: US", f"region: US\nauth: {words}")
    assert load_source(write(tmp_path, text)).auth == auth


def test_header_fields_and_parameters(tmp_path: Path) -> None:
    text = changed("region: US", "region: US\nheaders: {X-Company: '42'}").replace(
        "path: /people",
        "path: /people\n    params: {order: id}\n    since_format: epoch",
    )
    source = load_source(write(tmp_path, text))
    people = source.entities["people"]

    assert source.headers == {"X-Company": "42"}
    assert (people.params, people.since_format) == ({"order": "id"}, "epoch")
    shown = as_json(source, people)
    assert shown["source"]["auth"] == {"header": "", "prefix": "", "style": "bearer"}
    assert shown["entity"]["params"] == {"order": "id"}


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (
            "headers: {Authorization: Bearer x}",
            "headers.Authorization: the header field 'Authorization' is not for this "
            "file: credentials belong in the connection; see auth",
        ),
        (
            "headers: {X-Api-Key: x}",
            "headers.X-Api-Key: the header field 'X-Api-Key' is not for this file: "
            "credentials belong in the connection; see auth",
        ),
        ("headers: {X-A: 'ü'}", "headers.X-A: 'ü' is no header's value"),
        ("headers: {X A: b}", "headers.X A: 'X A' is no name of a header field"),
        (
            "auth: {style: api_key}",
            "auth.header: is missing",
        ),
        (
            "auth: {style: query}",
            "auth.style: unknown word 'query'; known: bearer, basic, api_key",
        ),
    ],
)
def test_mistakes_in_a_source_are_named(tmp_path: Path, key: str, problem: str) -> None:
    (line,) = problems_of(write(tmp_path, changed("region: US", f"region: US\n{key}")))
    assert line.endswith(problem)


def test_a_parameter_that_would_be_a_secret(tmp_path: Path) -> None:
    text = changed("path: /people", "path: /people\n    params: {api_key: abc}")
    (line,) = problems_of(write(tmp_path, text))
    assert "the parameter 'api_key' is not for this file" in line


def test_pages_by_offset_overlap(tmp_path: Path) -> None:
    words = "style: offset, offset_param: skip, size_param: n, size: 1, max_size: 1}"
    text = with_paging(words).replace(words + "max_size: 100}", words)
    (line,) = problems_of(write(tmp_path, text))
    assert line.endswith("paging.max_size: must be 2 at least: pages overlap")


REST = changed("client: genius", "client: rest")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "style: number, page_param: page, size_param: per_page",
            "style: odata, size_param: n",
            "paging.style: odata does not go with client: rest",
        ),
        (
            "per: 1h}",
            "per: 1h, kind: search}",
            "quotas[0].kind: client: rest has one kind of request; leave it out",
        ),
        (
            "region: US",
            "region: US\nwebhooks: true",
            "webhooks: client: rest reads none",
        ),
        *(
            (
                "    path: /people",
                f"    path: /people\n    {key}: {value}",
                f"entities.people.{key}: does not go with client: rest,"
                " which does not read it",
            )
            for key, value in (
                ("endpoints", "{search: /find}"),
                ("associations", "{deals: /deals}"),
                ("created_param", "made"),
                ("sensitive", "true"),
            )
        ),
    ],
)
def test_what_only_other_clients_read_is_refused(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in REST
    (line,) = problems_of(write(tmp_path, REST.replace(old, new, 1)))
    place, _, said = line.partition(": ")
    assert (place.count(":"), said) == (2, problem)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("params: {page: x}", "params.page: 'page' is a parameter of paging"),
        ("params: {per_page: x}", "params.per_page: 'per_page' is a parameter of pagi"),
        (
            "since_param: since\n    params: {since: x}",
            "params.since: 'since' is a parameter of since_param",
        ),
        ("since_param: per_page", "since_param: 'per_page' is a parameter of paging"),
    ],
)
def test_a_parameter_has_one_meaning(tmp_path: Path, key: str, problem: str) -> None:
    text = changed("path: /people", f"path: /people\n    {key}")
    (line,) = problems_of(write(tmp_path, text))
    assert f"entities.people.{problem}" in line


@pytest.mark.parametrize(
    "name", ["key", "auth_key", "app-key", "X-Access-Key", "sig", "Bearer"]
)
def test_names_of_credentials_are_no_parameters(tmp_path: Path, name: str) -> None:
    text = changed("path: /people", f"path: /people\n    params: {{{name}: x}}")
    (line,) = problems_of(write(tmp_path, text))
    assert "credentials belong in the connection" in line


@pytest.mark.parametrize("name", ["sort_key", "monkey", "design"])
def test_other_names_are(tmp_path: Path, name: str) -> None:
    text = changed("path: /people", f"path: /people\n    params: {{{name}: x}}")
    assert load_source(write(tmp_path, text)).entities["people"].params == {name: "x"}
