-- Delete the ids of jobs that failed longer ago than ops.retention says, and their
-- checkpoints, which are worth nothing without them: such a job is not resumed any more.
-- At most %(limit)s jobs. Returns one row: jobs. Safe to repeat.
WITH dead AS (
    UPDATE ops.sync_jobs SET checkpoint = NULL
    WHERE status = 'failed'
        AND id IN (
            SELECT j.id FROM ops.sync_jobs AS j
            JOIN ops.retention AS r ON r.name = 'sync_job_ids'
            WHERE j.status = 'failed'
                AND j.completed_at < clock_timestamp() - make_interval(days => r.days)
                AND EXISTS (SELECT FROM ops.sync_job_ids AS i WHERE i.job_id = j.id)
            LIMIT %(limit)s
        )
    RETURNING id
),
gone AS (
    DELETE FROM ops.sync_job_ids AS i USING dead WHERE i.job_id = dead.id
)
SELECT count(*) FROM dead
