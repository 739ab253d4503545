-- Records what was rejected; a day that is built again replaces its own, but what stands.
-- Variables: run_id, job_name, target_date.
delete from etl_rejected_rows
where
    job_name = :'job_name'
    and target_date = :'target_date'::date
    and not exists (
        select
        from rejected
        where
            rejected.stands
            and rejected.source_id is not distinct from etl_rejected_rows.source_id
    );

insert into etl_rejected_rows (run_id, job_name, target_date, source_table, source_id, field, reason, payload)
select
    :'run_id'::uuid,
    :'job_name',
    :'target_date'::date,
    source_table,
    source_id,
    field,
    reason,
    payload
from rejected
where not stands
