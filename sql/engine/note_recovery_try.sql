-- Note that maintenance is about to take up a stale job: after 1, 4, 16, 60, 60 … minutes
-- it may again, and at once when the job got somewhere meanwhile: a chunk further, or, if
-- it waits, from one wait into the next.
-- Returns one row: last_try_at, which is now; none when somebody else took it up or is
-- about to. Safe to repeat.
INSERT INTO ops.job_recoveries AS r (
    job_id, tries, attempt, chunks, last_try_at, next_try_at
)
SELECT j.id, 1, j.attempt, j.chunks, now(), now() + interval '1 minute'
FROM ops.sync_jobs AS j
WHERE j.id = %(job_id)s AND j.attempt = %(attempt)s AND j.status = %(status)s
ON CONFLICT (job_id) DO UPDATE SET
    (tries, next_try_at) = (
        SELECT
            CASE WHEN got.somewhere THEN 1 ELSE r.tries + 1 END,
            excluded.last_try_at + interval '1 minute' * CASE
                WHEN got.somewhere THEN 1
                ELSE least(60, power(4, least(r.tries, 5)))
            END
        FROM (
            SELECT excluded.chunks > r.chunks
                OR (%(status)s = 'waiting' AND excluded.attempt > r.attempt) AS somewhere
        ) AS got
    ),
    attempt = excluded.attempt,
    chunks = excluded.chunks,
    last_try_at = excluded.last_try_at
WHERE excluded.chunks > r.chunks
    OR (%(status)s = 'waiting' AND excluded.attempt > r.attempt)
    OR r.next_try_at <= clock_timestamp()
RETURNING last_try_at
