-- Hear what an answer told of a quota, as ops.learn_quota describes it. Returns one empty
-- value. Safe to repeat.
SELECT ops.learn_quota(
    %(source_system)s, %(name)s, %(told)s, %(remaining)s, %(asked_at)s
)
