-- What every session of ours is set to, once. Timeouts in milliseconds. Rough statistics will do for temporary tables:
-- the planner needs to know how large they are. A server that asks each second whether its client is still there lets
-- go of a killed run's locks. Variables: statement_timeout, lock_timeout, work_mem.
select
    set_config('TimeZone', 'UTC', false),
    set_config('DateStyle', 'ISO', false),
    set_config('statement_timeout', :'statement_timeout', false),
    set_config('lock_timeout', :'lock_timeout', false),
    set_config('work_mem', :'work_mem', false),
    set_config('temp_buffers', :'work_mem', false),
    set_config('default_statistics_target', '10', false),
    set_config('client_connection_check_interval', '1000', false),
    set_config('jit', 'off', false)
