-- Asks the view about the histories of alarms.sql, with the faults of one pass in their run rows, and takes these out
-- again. Variables: pass (0: without faults).
set work_mem to '256MB';

update etl_job_runs
set rows_processed = floor(rows_processed * factor)
from bench_faults
where
    bench_faults.pass = :pass
    and etl_job_runs.job_name = bench_faults.job_name
    and etl_job_runs.target_date = bench_faults.day;

insert into bench_judged (pass, job_name, day, is_judged, is_unusual)
select
    :pass,
    job_name,
    day,
    not_judged is null,
    is_unusual
from etl_row_expectations;

update etl_job_runs
set rows_processed = bench_rows.rows_counted
from bench_rows
inner join bench_faults on bench_rows.job_name = bench_faults.job_name and bench_rows.day = bench_faults.day
where
    bench_faults.pass = :pass
    and etl_job_runs.job_name = bench_rows.job_name
    and etl_job_runs.target_date = bench_rows.day;
