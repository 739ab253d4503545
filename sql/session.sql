-- What every session of ours is set to. Timeouts in milliseconds. Variables: application_name, statement_timeout,
-- lock_timeout.
select
    set_config('application_name', :'application_name', false),
    set_config('TimeZone', 'UTC', false),
    set_config('DateStyle', 'ISO', false),
    set_config('statement_timeout', :'statement_timeout', false),
    set_config('lock_timeout', :'lock_timeout', false),
    set_config('jit', 'off', false)
