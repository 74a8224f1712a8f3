-- What a job's faults and repetitions came to, and which sources are not asked at all.
-- Changes ops.sync_jobs, makes ops.circuit_breakers. Applied once, in one transaction; a
-- load of the release before, which bears no new columns, stops at its next chunk and
-- is resumed by the next sync.

ALTER TABLE ops.sync_jobs
    ADD COLUMN retries bigint NOT NULL DEFAULT 0,
    ADD COLUMN faults integer NOT NULL DEFAULT 0,
    ADD COLUMN throttles integer NOT NULL DEFAULT 0,
    ADD COLUMN faulted_at timestamptz;
COMMENT ON COLUMN ops.sync_jobs.retries IS
    'Requests of the job that met a fault, so that they were to be sent again; counted in requests too';
COMMENT ON COLUMN ops.sync_jobs.faults IS
    'Faults in a row when the job last rested; the source''s retry policy goes on from there';
COMMENT ON COLUMN ops.sync_jobs.throttles IS
    'Refusals in a row, by which the source wants a pause, when the job last rested';
COMMENT ON COLUMN ops.sync_jobs.faulted_at IS
    'First fault since the last committed chunk; a day later the job fails. NULL: none';

CREATE TABLE ops.circuit_breakers (
    source_system text PRIMARY KEY,
    state text NOT NULL DEFAULT 'closed',
    failures integer NOT NULL DEFAULT 0,
    failing_entities text[] NOT NULL DEFAULT '{}',
    failed_at timestamptz,
    reason text,
    opened_at timestamptz,
    pause_seconds double precision NOT NULL DEFAULT 0,
    retry_at timestamptz,
    probed_by text,
    CONSTRAINT circuit_breakers_state CHECK (
        state IN (
            'closed',    -- everybody asks. half_open|open -> closed: it answered
            'open',      -- nobody asks until retry_at. closed|half_open -> open: it failed
            'half_open'  -- open -> half_open at retry_at: one request of probed_by asks
        )
    )
);
COMMENT ON TABLE ops.circuit_breakers IS
    'Each record represents one source account that failed at some time, and whether it is asked. Example: which sources are down?';
COMMENT ON COLUMN ops.circuit_breakers.failures IS
    'Requests in a row, of all processes, that failed because the source seemed down';
COMMENT ON COLUMN ops.circuit_breakers.failing_entities IS
    'Entities whose requests these were; one alone does not open the breaker';
COMMENT ON COLUMN ops.circuit_breakers.pause_seconds IS
    'How long it stays open; doubled by each probe that fails';
COMMENT ON COLUMN ops.circuit_breakers.retry_at IS
    'When one process may probe; while half_open: when another may take the probe over';
COMMENT ON COLUMN ops.circuit_breakers.probed_by IS
    'Entity whose job probed last';
