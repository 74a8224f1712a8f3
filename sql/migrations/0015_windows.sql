-- What the source announced for each window of a job, and what came of it. Makes
-- ops.sync_windows, changes ops.retention. Applied once, in one transaction; a load of the
-- release before goes on: a column of ops.sync_jobs would end it at its next chunk.

CREATE TABLE ops.sync_windows (
    job_id bigint NOT NULL REFERENCES ops.sync_jobs (id) ON DELETE CASCADE,
    reading integer NOT NULL,
    window_start timestamptz,
    window_end timestamptz,
    way text NOT NULL,
    announced bigint,
    received bigint NOT NULL,
    collected bigint NOT NULL,
    requests bigint NOT NULL,
    state text NOT NULL DEFAULT 'reading',
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    PRIMARY KEY (job_id, reading),
    CONSTRAINT sync_windows_way CHECK (way IN ('list', 'search')),
    CONSTRAINT sync_windows_state CHECK (
        state IN (
            'reading',    -- its job is at work, or stopped before the window's end
            'complete',   -- reading -> complete: all that was announced came
            'short',      -- reading -> short: fewer came; the window is read again
            'repeated',   -- reading -> repeated: as many came, some of them twice again
            'uncounted'   -- reading -> uncounted: the source announces no number
        )
    )
);
-- Finds what is old.
CREATE INDEX sync_windows_started ON ops.sync_windows (started_at);
COMMENT ON TABLE ops.sync_windows IS
    'Each record represents one reading of a job''s window, from its beginning to its end. Example: did all the records come that the source announced?';
COMMENT ON COLUMN ops.sync_windows.reading IS
    'Which reading of the window, from 1; a window that came short is read again';
COMMENT ON COLUMN ops.sync_windows.window_start IS
    'Changes from this instant on, inclusive; NULL: everything';
COMMENT ON COLUMN ops.sync_windows.way IS
    'Whether a list was walked, or a search, whose index may be late';
COMMENT ON COLUMN ops.sync_windows.announced IS
    'Records of the window by the source''s count when it ended; NULL: it gives none';
COMMENT ON COLUMN ops.sync_windows.received IS
    'Records that came in this reading, each as often as it came';
COMMENT ON COLUMN ops.sync_windows.collected IS
    'Different records that the job had by then, those of its readings before included';
COMMENT ON COLUMN ops.sync_windows.requests IS
    'Requests of this reading''s pages, repetitions included';
COMMENT ON COLUMN ops.sync_windows.ended_at IS
    'When the window''s end was reached; NULL: it was not yet';

ALTER TABLE ops.retention DROP CONSTRAINT retention_name;
ALTER TABLE ops.retention ADD CONSTRAINT retention_name CHECK (
    name IN (
        'webhook_events', 'webhook_deliveries', 'sync_errors', 'sync_job_ids',
        'api_quota_usage', 'maintenance_runs', 'sync_windows'
    )
);
INSERT INTO ops.retention (name, days) VALUES ('sync_windows', 365);
