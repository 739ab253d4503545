-- Records what was rejected; a day that is built again replaces its own. Variables: run_id, job_name, target_date.
delete from etl_rejected_rows
where
    job_name = :'job_name'
    and target_date = :'target_date'::date;

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
