"""Likewise of the receiver: sessions with the inbox, and the limits of a worker."""

from tests.proof.mutants.changes import Change, Mutant

_INBOX = "webhook_receiver/inbox.py"
_WORKER = "webhook_receiver/worker.py"
_SESSIONS = "tests/unit/receiver/test_inbox_sessions.py"
_LIMITS = "tests/unit/receiver/test_worker_limits.py"


def _one(guarantee: str, path: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(f"receiver: {guarantee}", (Change(path, old, new),), tests)


RECEIVER_MUTANTS = (
    _one(
        "each session looks whether its database is safe",
        _INBOX,
        "        check_database(session, self._settings)\n        limit",
        "        limit",
        f"{_SESSIONS}::test_a_database_that_became_unsafe_is_noticed_by_the_next_session",
        f"{_SESSIONS}::test_a_server_that_could_lose_rows_gets_none_even_if_no_preflight_saw_it",
    ),
    _one(
        "the server gives an insert up by itself",
        _INBOX,
        '"statement_timeout": str(_STATEMENT_MS)',
        '"statement_timeout": "0"',
        f"{_SESSIONS}::test_the_server_gives_an_insert_up_before_the_receiver_does",
    ),
    _one(
        "an insert ends before its caller has gone",
        _INBOX,
        "_STATEMENT_MS = 1500",
        "_STATEMENT_MS = 15_000",
        f"{_SESSIONS}::test_the_server_gives_an_insert_up_before_the_receiver_does",
    ),
    _one(
        "a commit is on disk whatever the database is content with",
        "sql/receiver/prepare_session.sql",
        "IN ('off', 'local', 'remote_write')",
        "IN ('off')",
        f"{_SESSIONS}::test_a_database_that_promises_less_is_overruled_and_a_stricter_one_is_not",
    ),
    _one(
        "no text of a database's error is logged",
        _INBOX,
        '"inbox: %s %s", type(error).__name__, state)',
        '"inbox: %s %s %s", type(error).__name__, state, error)',
        f"{_SESSIONS}::test_an_error_of_the_database_is_logged_without_its_text",
    ),
    _one(
        "a refusal is not destroyed by what was said before",
        _WORKER,
        "                client.recv(_PIECE_BYTES)\n",
        "                break\n",
        f"{_LIMITS}::test_a_refusal_arrives_whole_however_much_was_said_before",
    ),
    _one(
        "an answer is not destroyed by what nobody read",
        _WORKER,
        "        if not is_kept:\n            util.close_graceful",
        "        if False:\n            util.close_graceful",
        f"{_LIMITS}::test_an_answer_arrives_whole_when_the_body_was_not_read",
    ),
    _one(
        "who waits for a thread is refused in time",
        _WORKER,
        "_MOST_WAIT_SECONDS = 0.5",
        "_MOST_WAIT_SECONDS = 50.0",
        f"{_LIMITS}::test_who_waits_for_a_thread_for_half_a_second_is_refused",
    ),
    _one(
        "a byte now and then holds no thread",
        _WORKER,
        "_MOST_READ_SECONDS = 10.0",
        "_MOST_READ_SECONDS = 1000.0",
        f"{_LIMITS}::test_who_says_a_request_for_ten_seconds_is_heard_no_longer",
    ),
)
