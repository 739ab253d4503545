-- What was rejected before a day. Variables: before.
select etl_rejected_rows.ctid
from etl_rejected_rows
where rejected_at < :'before'::date
