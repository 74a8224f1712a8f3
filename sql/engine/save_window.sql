-- Add a chunk's pages to the reading of the window that they belong to. Returns nothing.
-- Part of the chunk's transaction, before the statement that fences it. A reading that a
-- resumed job goes on with keeps its row, and is at work again; after one that came short
-- the next one begins.
INSERT INTO ops.sync_windows AS w (
    job_id, reading, window_start, window_end, way, announced, received, collected,
    requests
)
SELECT
    j.id,
    coalesce(
        (
            SELECT CASE latest.state WHEN 'short' THEN latest.reading + 1
                ELSE latest.reading END
            FROM ops.sync_windows AS latest
            WHERE latest.job_id = j.id
            ORDER BY latest.reading DESC
            LIMIT 1
        ),
        1
    ),
    j.window_start, j.window_end, %(way)s, %(announced)s, %(received)s, %(collected)s,
    %(requests)s
FROM ops.sync_jobs AS j
WHERE j.id = %(job_id)s
ON CONFLICT (job_id, reading) DO UPDATE SET
    announced = excluded.announced,
    received = w.received + excluded.received,
    collected = excluded.collected,
    requests = w.requests + excluded.requests,
    state = 'reading',
    ended_at = NULL
