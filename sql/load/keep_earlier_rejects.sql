-- Where only the rows of a dimension were read that may have changed: what an earlier run of the day recorded of other
-- rows stands. Variables: job_name, target_date, business_key.
insert into rejected (source_table, source_id, field, reason, payload, stands)
select
    source_table,
    source_id,
    field,
    reason,
    payload,
    true as stands
from etl_rejected_rows
where
    job_name = :'job_name'
    and target_date = :'target_date'::date
    and not exists (
        select
        from stage
        where stage.:"business_key"::text = etl_rejected_rows.source_id
    )
