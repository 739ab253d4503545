-- Reading free-form JSON. Each function is total: whatever the value, it answers and never raises; what can't be read
-- is NULL.

create function etl_json_boolean(given jsonb) returns boolean
language sql immutable parallel safe
return case
    when jsonb_typeof(given) not in ('boolean', 'string') then null
    when lower(given #>> '{}') = 'true' then true
    when lower(given #>> '{}') = 'false' then false
end;

comment on function etl_json_boolean(jsonb) is
'JSON true and false, and the strings "true" and "false" in any letter case.';

-- Longer strings and larger exponents than these are no number that a client means, and a cast could overflow.
create function etl_json_number(given jsonb, at_least numeric, at_most numeric) returns numeric
language sql immutable parallel safe
return case
    when
        jsonb_typeof(given) = 'number'
        or (
            jsonb_typeof(given) = 'string'
            and length(given #>> '{}') <= 1000
            and given #>> '{}' ~ '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?0*[0-9]{1,3})?$'
        )
        then
            case
                when (given #>> '{}')::numeric between at_least and at_most then (given #>> '{}')::numeric
            end
end;

comment on function etl_json_number(jsonb, numeric, numeric) is
'A JSON number, or a string that holds one, if it lies between the two bounds.';

create function etl_json_text(given jsonb, at_most integer) returns text
language sql immutable parallel safe
return case
    when jsonb_typeof(given) = 'string' and length(given #>> '{}') <= at_most then given #>> '{}'
end;

comment on function etl_json_text(jsonb, integer) is 'A JSON string of at most so many characters.';
