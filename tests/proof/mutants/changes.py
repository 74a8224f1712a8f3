"""Guarantees, the change to our code that breaks each, and the tests that notice."""

from typing import NamedTuple


class Change(NamedTuple):
    """One replacement of text, which must stand in its file exactly once."""

    path: str
    old: str
    new: str


class Mutant(NamedTuple):
    """A broken product.

    Attributes:
        guarantee: What it no longer keeps.
        changes: What breaks it.
        tests: Tests of which at least one must fail.
    """

    guarantee: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]


_CLIENTS = "plugins/crm_warehouse/clients"
_ENGINE = "plugins/crm_warehouse/engine"
_JOBS = "tests/integration/test_jobs.py"
_CASES = "tests/integration/cases"
_CARE = "tests/unit/engine/test_inbox_care.py"
_CSV = "tests/integration/test_csv_imports.py"
_RECEIVER = "tests/unit/receiver"


def _one(guarantee: str, path: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(guarantee, (Change(path, old, new),), tests)


MUTANTS = (
    _one(
        "rows, ids, counters and checkpoint commit together",
        f"{_ENGINE}/loader.py",
        "        with self._conn.transaction():\n            hold_rows(",
        "        if True:\n            hold_rows(",
        "tests/unit/engine/test_chunk_transaction.py::test_an_error_inside_a_chunk_leaves_nothing",
    ),
    _one(
        "an orphan's chunk is fenced off",
        "sql/engine/save_chunk.sql",
        "WHERE id = %(job_id)s AND attempt = %(attempt)s AND status = 'running'",
        "WHERE id = %(job_id)s AND %(attempt)s > 0",
        "tests/unit/engine/test_chunk_transaction.py::test_who_lost_the_job_writes_nothing",
    ),
    _one(
        "a window overlaps the one before",
        f"{_ENGINE}/sync.py",
        "watermark - request.source.overlap",
        "watermark",
        f"{_JOBS}::TestWindow::test_next_window_overlaps_by_lag_and_skew",
    ),
    _one(
        "a window ends at our clock where the source's is ahead",
        f"{_ENGINE}/reading.py",
        "min(page.source_time or page.observed_at, page.observed_at)",
        "page.source_time or page.observed_at",
        f"{_JOBS}::TestWindow::test_a_clock_ahead_of_ours_does_not_move_the_window_ahead",
    ),
    _one(
        "the watermark moves over no list that ended early",
        f"{_ENGINE}/reading.py",
        "        raise IncompleteReadError(\n",
        "        return self.job\n        raise IncompleteReadError(\n",
        f"{_JOBS}::TestCompleteness::test_list_that_ends_early_fails_after_a_second_reading",
    ),
    _one(
        "a row that did not change is not written",
        "sql/engine/merge_rows.sql",
        "                AND o.sync_hash <> c.sync_hash\n",
        "",
        "tests/unit/engine/test_newest_wins.py::test_what_did_not_change_is_not_written",
    ),
    _one(
        "the newer version wins",
        "sql/engine/merge_rows.sql",
        "THEN c.version > o.source_updated_at",
        "THEN true",
        "tests/unit/engine/test_newest_wins.py::test_version_then_observation_decide",
    ),
    _one(
        "a job whose counters do not add up fails",
        f"{_ENGINE}/finish.py",
        "    check_counters(ended)\n",
        "",
        "tests/unit/engine/test_finish.py::test_a_job_that_does_not_add_up_changes_nothing",
    ),
    _one(
        "a cut body is no last page",
        f"{_CLIENTS}/decoding.py",
        'raise TransientSourceError("the body is truncated, or no JSON") from None',
        'return {"data": [], "next_cursor": None}',
        f"{_CASES}/test_case_30_broken_answers.py::test_a_broken_page_of_a_list_is_asked_for_again[activeprospect]",
    ),
    _one(
        "an empty body is no last page",
        f"{_CLIENTS}/decoding.py",
        '        raise TransientSourceError("the body is empty")',
        '        return {"results": [], "paging": {}}',
        f"{_CASES}/test_case_30_broken_answers.py::test_a_broken_page_of_a_list_is_asked_for_again[hubspot]",
    ),
    _one(
        "a cursor that comes again is noticed",
        f"{_CLIENTS}/chain.py",
        "        if cursor is not None and hash(cursor) in self._used:",
        "        if False:",
        "tests/unit/clients/test_cursor.py::test_a_cursor_that_comes_again_ends_with_an_error",
    ),
    _one(
        "a page that comes again is noticed",
        f"{_CLIENTS}/chain.py",
        "        if ids and ids == self._ids:",
        "        if False:",
        f"{_CASES}/test_case_31_moving_lists.py::test_a_page_that_comes_twice_costs_a_request[activeprospect]",
    ),
    _one(
        "a list that shrinks is stepped back in",
        f"{_CLIENTS}/position.py",
        "        if shrunk and self.page > 1:",
        "        if False:",
        "tests/unit/clients/test_paging.py::test_a_shrinking_list_is_stepped_back",
    ),
    _one(
        "an offset is stepped back from after a deletion",
        f"{_CLIENTS}/offset.py",
        "        if self.begun and set(self._marks).isdisjoint(marks):",
        "        if False:",
        "tests/unit/clients/test_offset.py::test_a_deletion_meanwhile_hides_no_other_record",
    ),
    _one(
        "no address elsewhere is followed",
        f"{_CLIENTS}/next_url.py",
        "        if not is_ours or not path.startswith(base) or _CLIMBS.search(path):",
        "        if not path.startswith(base) or _CLIMBS.search(path):",
        "tests/unit/clients/test_next_url.py::test_no_other_place_is_asked_and_the_list_does_not_end",
    ),
    Mutant(
        "no redirect is followed",
        (
            Change(
                f"{_CLIENTS}/requests_transport.py",
                "allow_redirects=False,",
                "allow_redirects=True,",
            ),
            Change(
                f"{_CLIENTS}/requests_transport.py",
                "    def get_redirect_target(self",
                "    def no_redirect_target(self",
            ),
        ),
        (
            f"{_CASES}/test_case_48_other_hosts.py::test_redirects_are_refused_and_carry_nothing[marketsharp]",
        ),
    ),
    _one(
        "credentials go to one origin",
        f"{_CLIENTS}/auth.py",
        "        if origin_of(url) != self._origin:",
        "        if False:",
        "tests/unit/clients/test_request_path.py::test_credentials_go_to_one_origin_only",
    ),
    _one(
        "every request is counted by the quota first",
        f"{_CLIENTS}/request_path.py",
        "gate.take(kind)",
        "None",
        f"{_JOBS}::TestQuota::test_job_waits_without_loss_and_goes_on",
    ),
    _one(
        "the pause that a source asks for is kept",
        f"{_CLIENTS}/statuses.py",
        "        seconds = retry_after_seconds(response.headers, now)",
        "        seconds = None",
        "tests/unit/clients/test_request_path.py::test_retry_after_forms",
    ),
    _one(
        "a mass of absences deletes nothing",
        f"{_ENGINE}/guards.py",
        "        elif self._is_mass(missing, live):",
        "        elif False:",
        "tests/integration/test_truth.py::test_mass_delete_stops_before_harm",
    ),
    _one(
        "what a dead process has seen counts as seen",
        f"{_ENGINE}/run.py",
        "        return kind(key for (key,) in cursor)",
        "        return kind(key for (key,) in cursor if not key)",
        f"{_JOBS}::TestResuming::test_dead_job_goes_on_where_it_was",
        f"{_JOBS}::TestResuming::test_a_full_load_resumed_deletes_nothing_that_lives",
    ),
    _one(
        "a silent holder of the lock is cut off",
        f"{_ENGINE}/lock.py",
        "        if holder is not None and _is_orphan(holder, request):",
        "        if False:",
        f"{_JOBS}::TestFence::test_silent_holder_is_cut_off",
    ),
    _one(
        "events are settled with their rows",
        f"{_ENGINE}/webhooks.py",
        "        with self._conn.transaction():\n            # An event is believed",
        "        if True:\n            # An event is believed",
        "tests/unit/engine/test_webhook_merge.py::test_rows_and_their_events_are_settled_together",
    ),
    _one(
        "a replayed event of another account is judged, not believed",
        "sql/engine/recall_events.sql",
        "    state = 'failed',\n",
        "    state = 'pending',\n",
        f"{_CARE}::test_a_foreign_privacy_event_that_is_discarded_or_replayed_erases_nobody",
    ),
    _one(
        "events of erased records are not replayed",
        f"{_ENGINE}/inbox_care.py",
        '    if row["erased"]:\n',
        "    if False:\n",
        f"{_CARE}::test_events_of_erased_records_never_come_back",
    ),
    _one(
        "one event that cannot be read leaves the others of its delivery",
        f"{_CLIENTS}/hubspot_events.py",
        "        if elements is None:\n",
        "        if True:\n",
        f"{_CASES}/test_case_18_poison_events.py::test_the_other_ninety_nine_are_merged",
    ),
    _one(
        "a source that is down is asked by one probe at a time",
        "sql/engine/probe_breaker.sql",
        "    AND retry_at <= clock_timestamp()\n",
        "",
        "tests/unit/engine/test_breaker.py::test_exactly_one_of_many_probes",
    ),
    _one(
        "a probe whose process died is taken over",
        "sql/engine/probe_breaker.sql",
        "    AND state IN ('open', 'half_open')\n",
        "    AND state = 'open'\n",
        "tests/unit/engine/test_breaker.py::test_a_probe_of_a_killed_process_is_taken_over",
    ),
    _one(
        "a chunk writes its retries",
        f"{_ENGINE}/reading.py",
        "        chunk.retries = self.tally.retries - self.job.retries\n",
        "",
        "tests/integration/test_retries_by_chunk.py::test_a_chunk_writes_its_retries",
    ),
    _one(
        "a reprocessing goes on behind its checkpoint",
        f"{_ENGINE}/reprocess.py",
        'checkpoint["after"] if checkpoint.get("reads") == reads else ""',
        '""',
        "tests/unit/engine/test_reprocess_checkpoint.py::test_each_record_is_tried_once_wherever_it_was_killed",
    ),
    _one(
        "a column that a file lacks clears nothing",
        f"{_ENGINE}/partial.py",
        "    result = dict(known)",
        "    result: dict[str, Any] = {}",
        f"{_CSV}::TestPartial::test_a_column_that_the_file_lacks_is_not_cleared",
    ),
    _one(
        "an empty cell of a file clears",
        f"{_ENGINE}/partial.py",
        "if not _is_empty(old) and key != version_key:",
        "if False:",
        f"{_CSV}::TestPartial::test_an_empty_cell_clears",
    ),
    _one(
        "an old file wins over nothing that the API showed since",
        "plugins/crm_warehouse/csv_files/client.py",
        "min(self._file.modified_at, self._gate.now())",
        "self._gate.now()",
        f"{_CSV}::TestNewestWins::test_without_a_version_the_time_of_the_file_decides",
    ),
    _one(
        "a file is imported once",
        "sql/engine/find_csv_import.sql",
        "    AND f.sha256 = %(sha256)s\n",
        "    AND f.sha256 <> %(sha256)s\n",
        f"{_CSV}::TestOnce::test_the_same_content_is_imported_once",
    ),
    _one(
        "an import goes on behind its checkpoint",
        "plugins/crm_warehouse/csv_files/client.py",
        "            if place is None:\n",
        "            if place or not place:\n",
        f"{_CSV}::TestResuming::test_an_import_that_died_goes_on_in_the_middle",
    ),
    _one(
        "the same snapshot again is no second absence",
        "sql/engine/find_absent.sql",
        "coalesce(r.absent_since < %(began)s, false)",
        "r.absent_since IS NOT NULL",
        f"{_CSV}::TestSnapshot::test_the_same_snapshot_again_is_no_second_one",
    ),
    _one(
        "what was observed after a snapshot lives",
        f"{_ENGINE}/jobs.py",
        'if self.via == "csv" and self.window_end is not None:',
        "if False:",
        f"{_CSV}::TestSnapshot::test_what_was_observed_after_the_snapshot_lives",
    ),
    _one(
        "a bad line is no absence",
        f"{_ENGINE}/partial.py",
        "            self.note(unreadable.source_id)",
        "            pass",
        f"{_CSV}::TestSnapshot::test_a_bad_row_is_not_an_absence",
    ),
    _one(
        "an open quote costs its own line only",
        "plugins/crm_warehouse/csv_files/rows.py",
        "strict=True)",
        "strict=False)",
        "tests/unit/csv_files/test_csv_rows.py::test_an_open_quote_costs_its_own_line_only",
    ),
    _one(
        "a line that comes again counts as repeated",
        f"{_ENGINE}/flat_ids.py",
        "hashes[at] == number:\n            return False",
        "hashes[at] == number:\n            return True",
        f"{_CSV}::TestPartial::test_two_lines_of_one_record_add_up",
    ),
    _one(
        "a file that grows is not imported",
        "plugins/crm_warehouse/triggers/drop.py",
        "if each in before]",
        "if each]",
        "tests/unit/airflow/test_drop_runs.py::test_a_file_that_grows_is_not_finished",
    ),
    _one(
        "a delivery is acknowledged when it is on the disk",
        "sql/receiver/prepare_session.sql",
        "THEN 'on'",
        "THEN 'off'",
        f"{_RECEIVER}/test_deaths_under_load.py::test_nothing_acknowledged_is_lost_and_nothing_doubled[crash_database]",
    ),
    _one(
        "who stores is not held up by who announces",
        "sql/receiver/store_delivery.sql",
        "DO NOTHING",
        "DO NOTHING RETURNING pg_notify('crm_webhooks', '')",
        f"{_RECEIVER}/test_announcer.py::test_storing_announces_nothing_itself",
    ),
    _one(
        "a number that is taken is no delivery that was there",
        "sql/receiver/store_delivery.sql",
        "ON CONFLICT (source_system, replay_key) DO",
        "ON CONFLICT DO",
        f"{_RECEIVER}/test_deliveries.py::test_an_id_that_is_taken_is_no_delivery_that_was_there",
    ),
    _one(
        "what is due is announced before the end",
        "webhook_receiver/announcer.py",
        "                self._ending.wait(_RETRY_SECONDS)\n        self._tell()\n",
        "                self._ending.wait(_RETRY_SECONDS)\n",
        f"{_RECEIVER}/test_announcer.py::test_what_is_due_at_the_end_is_announced",
    ),
    _one(
        "more than it can take is refused at once",
        "webhook_receiver/worker.py",
        "_MOST_REQUESTS = 128",
        "_MOST_REQUESTS = 100_000",
        f"{_RECEIVER}/test_overload.py::test_too_many_are_refused_when_they_come",
    ),
    _one(
        "a signature is compared in constant time",
        "webhook_receiver/proofs.py",
        "hmac.compare_digest(form, given)",
        "form == given",
        f"{_RECEIVER}/test_signature.py::test_all_secrets_and_both_urls_are_compared_in_constant_time",
    ),
    _one(
        "any active secret may have signed",
        "webhook_receiver/proofs.py",
        "    for secret in secrets:",
        "    for secret in [*secrets][:1]:",
        f"{_RECEIVER}/test_signature.py::test_each_secret_counts_and_none_other",
    ),
    _one(
        "a secret that has ended proves nothing",
        "webhook_receiver/delivery.py",
        "if each.until_ms is None or now_ms < each.until_ms",
        "if each.text",
        f"{_RECEIVER}/test_signature.py::test_a_secret_counts_until_its_end",
    ),
    _one(
        "a signature of the future is not of this time",
        "webhook_receiver/hubspot.py",
        "    if abs(late_ms := now_ms - int(timestamp)) > _WINDOW_MS:",
        "    if (late_ms := now_ms - int(timestamp)) > _WINDOW_MS:",
        f"{_RECEIVER}/test_signature.py::test_a_millisecond_more_asks_to_come_again_and_alarms",
    ),
    _one(
        "no older signature makes up for version 3",
        "webhook_receiver/hubspot.py",
        "    if _SIGNATURE in delivery.headers or _TIMESTAMP in delivery.headers:",
        '    if not sender.versions - {"v3"}:',
        f"{_RECEIVER}/test_older_signatures.py::test_an_older_one_never_makes_up_for_version_3",
    ),
    _one(
        "version 2 shown as version 1, or lengthened, proves nothing",
        "webhook_receiver/hubspot.py",
        "    if not proven or not _can_be_json(delivery.body):",
        "    if not proven:",
        f"{_RECEIVER}/test_older_signatures.py::test_version_2_is_no_version_1",
        f"{_RECEIVER}/test_older_signatures.py::test_a_lengthened_body_is_refused",
    ),
    _one(
        "only our own proxies say who calls",
        "webhook_receiver/callers.py",
        "chain[-1 - proxies]",
        "chain[0]",
        f"{_RECEIVER}/test_callers.py::test_the_outermost_of_our_proxies_names_the_caller",
    ),
    _one(
        "no header passes for another",
        "webhook_receiver/gunicorn.conf.py",
        'header_map = "refuse"',
        'header_map = "dangerous"',
        f"{_RECEIVER}/test_hostile_headers.py::test_what_can_be_read_in_two_ways_is_refused_once",
    ),
)
