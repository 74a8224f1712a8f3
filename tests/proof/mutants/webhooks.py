"""Likewise of webhooks: guarantees of the merge, and the tests that notice."""

from tests.proof.mutants.changes import Change, Mutant

_CARRIED = "plugins/crm_warehouse/engine/carried.py"
_ENGINE = "plugins/crm_warehouse/engine"
_TESTS = "tests/unit/engine/test_carried_records.py"
_RESTS = "tests/unit/engine/test_webhook_rests.py"
_CASES = "tests/integration/cases"
_HIDDEN = "tests/unit/engine/test_hidden_hashes.py"


def _one(guarantee: str, path: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(f"webhooks: {guarantee}", (Change(path, old, new),), tests)


WEBHOOK_MUTANTS = (
    _one(
        "an older delivery says nothing",
        _CARRIED,
        "        if not self._is_news(known, version, observed_at):\n"
        "            return known\n",
        "",
        f"{_TESTS}::test_an_older_fact_says_nothing_to_a_newer_one_of_the_same_merge",
    ),
    _one(
        "a version decides before observation",
        _CARRIED,
        "            return order_of(version) > order_of(old)",
        "            pass",
        f"{_TESTS}::test_the_newest_wins",
    ),
    _one(
        "a poll that read all of a version is not held to be older",
        _CARRIED,
        "            observed_at = min(observed_at, known.observed_at)",
        "            pass",
        f"{_TESTS}::test_a_poll_that_read_all_of_that_version_meanwhile_is_not_held_to_be_older",
    ),
    _one(
        "nor is one beside the first delivery",
        _CARRIED,
        "            return record, min(observed_at, changed)",
        "            return record, observed_at",
        f"{_TESTS}::test_a_poll_that_read_all_of_that_version_meanwhile_is_not_held_to_be_older",
    ),
    _one(
        "a delivery that may be late brings nobody back",
        _CARRIED,
        "    may_be_late = True",
        "    may_be_late = False",
        f"{_TESTS}::test_what_was_deleted_comes_back_only_if_it_changed_since",
    ),
    _one(
        "deliveries count in the order of their arrival",
        _CARRIED,
        "key=lambda row: (row[4], row[0])",
        "key=lambda row: row[0]",
        f"{_TESTS}::test_deliveries_count_in_the_order_in_which_they_came",
    ),
    _one(
        "what LeadConduit has recorded is final",
        _CARRIED,
        "        if old and not version and self._drafts:\n            return False\n",
        "",
        f"{_TESTS}::TestLeadConduit::test_what_is_recorded_is_not_touched_by_a_delivery",
    ),
    _one(
        "what is not named inside of an object stays",
        f"{_ENGINE}/partial.py",
        "            result[key] = laid_over(old, value)",
        "            result[key] = value",
        f"{_TESTS}::test_what_is_not_named_stays_and_what_is_empty_goes",
    ),
    _one(
        "who is refused rests alone",
        "sql/engine/find_pending_webhooks.sql",
        "r.until > clock_timestamp()",
        "false",
        f"{_RESTS}::test_who_is_refused_rests_and_all_others_go_on",
    ),
    _one(
        "a rest ends",
        "sql/engine/find_resting.sql",
        "AND until > clock_timestamp()",
        "",
        f"{_RESTS}::test_when_its_rest_is_over_it_is_tried_and_told_again",
    ),
    _one(
        "a merge that crashed is not begun again at once",
        "sql/engine/find_stuck_webhooks.sql",
        "first.received_at < m.began",
        "false",
        f"{_RESTS}::test_what_came_before_the_merge_and_is_still_there_is_stuck",
    ),
    _one(
        "of many unreadable records each merge finds some",
        f"{_ENGINE}/announced.py",
        "self._waiting[:0] = self._halves(ids)",
        "self._waiting += self._halves(ids)",
        "tests/unit/engine/test_unreadable_records.py"
        "::test_of_many_each_merge_sets_two_aside_and_gets_on",
    ),
    _one(
        "carried records are settled with their rows",
        f"{_ENGINE}/webhooks.py",
        "        with self._conn.transaction():\n            hold_rows(",
        "        if True:\n            hold_rows(",
        f"{_TESTS}::test_rows_and_their_events_are_settled_together",
    ),
    _one(
        "a lead without an id goes to quarantine",
        "sql/engine/ignore_events.sql",
        "(%(carried)s OR object_id <> '')",
        "(%(carried)s AND object_id <> '')",
        f"{_TESTS}::test_without_an_id_it_goes_to_quarantine_with_its_data",
    ),
    _one(
        "an erased person stands in no delivery",
        f"{_ENGINE}/redaction.py",
        "return None if left == sent or text == signed else",
        "return None if left or text else",
        f"{_TESTS}::TestErased",
    ),
    _one(
        "one event is one event, whatever its attempt",
        "plugins/crm_warehouse/clients/hubspot_events.py",
        '    "eventId",\n    "occurredAt",',
        '    "eventId",\n    "attemptNumber",\n    "occurredAt",',
        f"{_CASES}/test_case_17_replayed_webhooks.py",
    ),
    _one(
        "a deletion is looked into",
        "plugins/crm_warehouse/clients/hubspot_events.py",
        '        "deletion",\n        "merge",\n',
        '        "merge",\n',
        f"{_CASES}/test_case_19_events_in_any_order.py",
    ),
    _one(
        "a smaller number that shows later is not skipped",
        "sql/engine/pending_deliveries.sql",
        "AND state = 'pending'\n",
        "AND state = 'pending' AND id > coalesce((SELECT max(x.id)"
        " FROM staging.webhook_deliveries AS x WHERE x.state <> 'pending'), 0)\n",
        f"{_CASES}/test_case_20_slow_transactions.py",
    ),
    _one(
        "what nobody announced is counted",
        "sql/engine/measure_webhooks.sql",
        "        count(*) FILTER (WHERE expected AND NOT announced"
        " AND kind = 'created') AS created,",
        "        0 AS created,",
        f"{_CASES}/test_case_23_lost_webhooks.py",
    ),
    _one(
        "a gap makes no full load of a source that forgets",
        f"{_ENGINE}/webhook_gaps.py",
        "    if source.forgets:",
        "    if False:",
        "tests/integration/test_delivered_leads.py::test_lost_deliveries_come_with_the_next_poll_and_are_counted",
    ),
    _one(
        "a ticket's association makes no contact dirty",
        "plugins/crm_warehouse/clients/hubspot_events.py",
        "_ENTITIES.get(begin) if begin else own",
        "_ENTITIES.get(begin, own)",
        "tests/unit/engine/test_webhook_kinds.py::test_an_association_makes_both_ends_dirty_and_nobody_else",
    ),
    _one(
        "no record is looked for among all events",
        "sql/migrations/0028_gone_webhooks.sql",
        "    WHERE is_gone;",
        "    WHERE is_gone AND false;",
        "tests/unit/engine/test_inbox_batches.py",
    ),
    _one(
        "a long queue is taken apart piece by piece",
        "sql/engine/pending_deliveries.sql",
        "WHERE before < %(max_bytes)s",
        "WHERE before < %(max_bytes)s OR true",
        "tests/unit/engine/test_inbox_batches.py",
    ),
    _one(
        "an erased value cannot be guessed by its event's key",
        "sql/engine/redact_events.sql",
        "        ELSE t.hidden\n",
        "        ELSE e.dedupe_key\n",
        f"{_HIDDEN}::TestWhatAnnounces::test_no_hash_of_what_is_gone_is_left_anywhere",
    ),
    _one(
        "nor by what could not be read",
        f"{_ENGINE}/inbox_redaction.py",
        "    if parse is None:\n",
        "    if True:\n",
        f"{_HIDDEN}::TestWhatAnnounces::test_no_hash_of_what_is_gone_is_left_anywhere",
    ),
    _one(
        "nor by the digest of its body",
        f"{_ENGINE}/inbox_redaction.py",
        "key.hide(hashlib.sha256(signed).hexdigest())",
        "hashlib.sha256(signed).hexdigest()",
        f"{_HIDDEN}::TestWhatAnnounces::test_no_hash_of_what_is_gone_is_left_anywhere",
    ),
    _one(
        "nor by its replay key",
        f"{_ENGINE}/inbox_redaction.py",
        '"replay_key": key.hide(replay_key),',
        '"replay_key": replay_key,',
        f"{_HIDDEN}::TestWhatCarries::test_the_same_bytes_bring_nobody_back_and_change_nobody_else",
    ),
    _one(
        "an event of an erased person that comes again is known",
        f"{_ENGINE}/inbox.py",
        'hidden.get(event["dedupe_key"], event["dedupe_key"])',
        'event["dedupe_key"]',
        f"{_HIDDEN}::TestWhatAnnounces::test_an_event_that_comes_again_after_it_is_known",
    ),
    _one(
        "also before the inbox was looked through",
        f"{_ENGINE}/inbox.py",
        "    hide_known_events(conn, request.source_system, hidden)\n",
        "",
        f"{_HIDDEN}::TestWhatAnnounces::test_one_that_comes_again_before_the_inbox_was_looked_through_as_well",
    ),
    _one(
        "a delivery that was redacted is not merged again",
        f"{_ENGINE}/inbox.py",
        "drop_repeated(conn, {each.id: each.replay_key for each in part})",
        "drop_repeated(conn, {})",
        f"{_HIDDEN}::TestWhatCarries::test_the_same_bytes_bring_nobody_back_and_change_nobody_else",
    ),
    _one(
        "nor when it is redacted before it is taken apart",
        f"{_ENGINE}/inbox_redaction.py",
        "drop_repeated(self._conn, {row[0]: row[3] for row in rows})",
        "drop_repeated(self._conn, {})",
        f"{_HIDDEN}::TestWhatCarries::test_nor_do_they_when_another_of_them_is_erased_before_they_are_looked_at",
    ),
    _one(
        "an event that is one of its own stays it",
        f"{_ENGINE}/erased_keys.py",
        "        return dedupe_key if own else self.hide(dedupe_key)",
        "        return self.hide(dedupe_key)",
        f"{_HIDDEN}::TestWhatCarries::test_a_replay_of_what_was_redacted_makes_no_second_row",
    ),
)
