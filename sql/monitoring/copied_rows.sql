-- How many rows a COPY into the warehouse has read so far that runs on a connection of this name. No number of a server
-- process is asked for: behind a pooler a client doesn't know it. Variables: application_name.
select copy.tuples_processed
from pg_stat_progress_copy as copy
inner join pg_stat_activity as activity on copy.pid = activity.pid
where
    copy.datname = current_database()
    and copy.command = 'COPY FROM'
    and activity.application_name = :'application_name'
