-- Make a session of the receiver safe and impatient. Returns one row of no interest.
-- A database that only promises to write soon is overruled, a stricter one is not. The
-- source waits 5 seconds for its answer: a statement that takes longer than
-- statement_timeout gives up before. Changes only the session.
SELECT
    set_config('statement_timeout', %(statement_timeout)s, false),
    set_config(
        'synchronous_commit',
        CASE
            WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')
                THEN 'on'
            ELSE current_setting('synchronous_commit')
        END,
        false
    )
