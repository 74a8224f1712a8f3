"""The rows in which workers count, and that counting decides no answer."""

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.proof.hubspot_sender import EVENTS, PATH, signed
from tests.proof.receiver_process import HUBSPOT, environment
from webhook_receiver import metrics
from webhook_receiver.app import create_app
from webhook_receiver.metrics import ANSWERS, Counts
from webhook_receiver.settings import from_environment
from webhook_receiver.verifiers import VERIFIERS

ROOT = Path(__file__).parents[3]
Told = dict[tuple[str, ...], float]


#: Nobody asks it anything.
NOWHERE = "host=127.0.0.1 port=1 dbname=a user=a password=a"


def told(counts: Counts) -> Told:
    """Values by name and values of labels."""
    return {
        (sample.name.removeprefix("crm_webhook_"), *sample.labels.values()): (
            sample.value
        )
        for family in counts.collect()
        for sample in family.samples
    }


def in_a_worker(counts: Counts, taken: list[int]) -> int:
    """Let a process that this one forks count, and die in the middle of its work."""
    row = counts.begin(taken)
    if not (pid := os.fork()):
        try:
            counts.answer("hubspot", 200, "-")
            counts.body_bytes("hubspot", 7)
            counts.sessions(1)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return row


def test_each_worker_has_a_row_and_the_next_one_goes_on_with_it() -> None:
    counts = Counts(["hubspot"])

    assert in_a_worker(counts, []) == 0
    assert in_a_worker(counts, [0]) == 1
    assert in_a_worker(counts, [0, 2]) == 1
    assert told(counts) == {
        ("answers_total", "hubspot", "200", "-"): 3,
        ("body_bytes_total", "hubspot"): 21,
        ("sessions_in_use",): 3,
    }
    counts.end(1)
    assert told(counts)["sessions_in_use",] == 1
    assert told(counts)["body_bytes_total", "hubspot"] == 21


def test_more_workers_than_rows_count_all_the_same() -> None:
    counts = Counts(["hubspot"])

    assert in_a_worker(counts, list(range(1000))) == metrics.ROWS - 1
    assert told(counts)["answers_total", "hubspot", "200", "-"] == 1


def test_seconds_are_told_up_to_each_bound() -> None:
    counts = Counts(["hubspot"])
    for seconds in (0.004, 0.005, 0.25, 7):
        counts.seconds("hubspot", seconds)

    found = told(counts)
    bounds = {key[2]: number for key, number in found.items() if len(key) == 3}
    assert bounds == {
        **dict.fromkeys(("0.005", "0.01", "0.025", "0.05", "0.1"), 2),
        **dict.fromkeys(("0.25", "0.5", "1.0", "2.5", "5.0"), 3),
        "+Inf": 4,
    }
    assert found["seconds_count", "hubspot"] == 4
    assert found["seconds_sum", "hubspot"] == 7.259


def test_an_answer_that_nobody_foresaw_is_another() -> None:
    counts = Counts(["hubspot"])
    counts.answer("hubspot", 418, "I_AM_A_TEAPOT")
    counts.answer("-", 404, "NOT_FOUND")

    assert told(counts) == {
        ("answers_total", "hubspot", "0", "OTHER"): 1,
        ("answers_total", "-", "404", "NOT_FOUND"): 1,
        ("sessions_in_use",): 0,
    }


#: Not of a delivery.
READINESS = (503, "NOT_READY")
#: nginx's own.
OF_NGINX = {
    (429, "TOO_MANY_REQUESTS"),
    (501, "NOT_IMPLEMENTED"),
    (503, "TRY_LATER"),
    (505, "HTTP_VERSION_NOT_SUPPORTED"),
}
#: Flask's, and that all is well.
WITHOUT_A_WORD = {(404, "NOT_FOUND"), (405, "METHOD_NOT_ALLOWED"), (200, "-")}


def test_the_list_of_answers_is_what_the_code_can_answer() -> None:
    code = "".join(
        path.read_text("utf-8")
        for path in (ROOT / "webhook_receiver").glob("*.py")
        if path.name != "metrics.py"
    )
    # With a reason for people between them, or without.
    refusals = re.findall(r'\(\s*(\d{3}),\s*(?:"[^"]+",\s*)?"([A-Z_]+)"', code)
    for name, status in (("fault_of_ours", 503), ("SignatureError", 401)):
        refusals += [
            (status, each) for each in re.findall(name + r'\(\s*"([A-Z_]+)"', code)
        ]
    found = {(int(status), each) for status, each in refusals}

    assert found - {READINESS} | WITHOUT_A_WORD == set(ANSWERS)


def test_the_list_of_answers_is_what_the_guide_names() -> None:
    guide = (ROOT / "docs" / "webhooks.md").read_text("utf-8")
    named = set()
    for statuses, codes in re.findall(
        r"^\| ([\d, ]+) \| (.+?) \|", guide, re.MULTILINE
    ):
        each = re.findall(r"`(\w+)`", codes) or ["-"]
        many = statuses.split(", ")
        named |= set(
            zip(many if len(many) > 1 else many * len(each), each, strict=True)
        )

    assert {(int(status), code) for status, code in named} - OF_NGINX == set(
        ANSWERS
    ) - {(500, "INTERNAL_SERVER_ERROR")}


def test_a_fault_in_counting_decides_no_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = SimpleNamespace(open=lambda: None, store=lambda _entry: None)
    monkeypatch.setattr("webhook_receiver.app.Inbox", lambda _settings: inbox)
    monkeypatch.setattr(metrics, "COUNTS", SimpleNamespace())
    settings = from_environment(VERIFIERS, environment(NOWHERE, HUBSPOT))
    client = create_app(settings).test_client()

    def answer() -> int:
        as_called = {"RAW_URI": PATH}
        return client.post(
            PATH, headers=signed(), data=EVENTS, environ_overrides=as_called
        ).status_code

    assert [answer() for _ in range(20)] == [200] * 20
    with metrics.session_in_use():
        pass
    metrics.count_no_request(400, "BAD_REQUEST")
    lines = [each for each in caplog.messages if "not counted" in each]
    assert lines[0] == "not counted: AttributeError, 1 times"
    assert len(lines) < 20
