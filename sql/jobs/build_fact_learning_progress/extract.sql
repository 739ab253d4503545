-- Source: each learner's practice on the day, in sessions started in [day_start, day_end). One row per learner.
-- Variables: day_start, day_end.
select
    learner_id::uuid as learner_id,
    sum(greatest(duration_ms, 0))::bigint as practice_ms
from sessions
where
    started_at >= :'day_start'::timestamptz
    and started_at < :'day_end'::timestamptz
    and session_type::text in ('LEARNING', 'PRACTICE')
    and learner_id is not null
group by learner_id
