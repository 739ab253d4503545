-- The same answers, sooner.

-- Numbers are what most clients send: they are read as they are, and only strings are looked at as text.
-- Longer strings and larger exponents than these are no number that a client means, and a cast could overflow.
create or replace function etl_json_number(given jsonb, at_least numeric, at_most numeric) returns numeric
language sql immutable parallel safe
return case jsonb_typeof(given)
    when 'number' then case when given::numeric between at_least and at_most then given::numeric end
    when 'string'
        then
            case
                when
                    length(given #>> '{}') <= 1000
                    and given #>> '{}' ~ '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?0*[0-9]{1,3})?$'
                    then
                        case
                            when (given #>> '{}')::numeric between at_least and at_most then (given #>> '{}')::numeric
                        end
            end
end;

-- States that hold are found by their learner and skill: only those that ended need to be found by when.
drop index learner_skill_history_held_to;
create index learner_skill_history_ended on learner_skill_history (held_to) where held_to < 'infinity';

-- Levels that count as unknown are few, and each build of learning progress tells of them.
create index learner_skill_history_unreadable on learner_skill_history (held_from)
where mastery_level not between 0 and 1;

create function etl_states_at(moment timestamptz) returns setof learner_skill_history
language sql stable as $$
    select *
    from learner_skill_history
    where
        held_from < moment
        and (held_to = 'infinity' or (held_to < 'infinity' and held_to >= moment))
        and not is_gone
$$;

comment on function etl_states_at(timestamptz) is
'The skill states that held when a moment came, one per learner and skill.';
