-- When months of sessions go: the links of one fact to them are cleared, as if those sessions had not been built. So a
-- rebuild of its days changes nothing. Variables: fact, before.
update :"fact"
set session_key = null
where
    session_key is not null
    and session_date_key < to_char(:'before'::date, 'YYYYMMDD')::integer
