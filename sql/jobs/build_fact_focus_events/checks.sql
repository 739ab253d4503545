-- Each check returns the rows that break its promise. failing: the day is rolled back; warning: it is logged.
-- Variables: date_key, day_start, day_end, look_back_key, look_ahead_key.

-- failing: every_event_happened_on_the_day
select event_id
from fact_focus_events
where
    date_key = :date_key
    and (event_time < :'day_start'::timestamptz or event_time >= :'day_end'::timestamptz);

-- warning: every_event_has_a_known_session
select event_id
from fact_focus_events
where
    date_key = :date_key
    and session_date_key is null;

-- failing: every_key_is_the_right_member_of_its_dimension
select fact.event_id
from fact_focus_events as fact
inner join stage on fact.event_id = stage.event_id
left join dim_tenant on fact.tenant_key = dim_tenant.tenant_key
left join dim_learner on fact.learner_key = dim_learner.learner_key
where
    fact.date_key = :date_key
    and (
        dim_tenant.tenant_id is distinct from stage.tenant_id
        or dim_learner.learner_id is distinct from stage.learner_id
    );

-- failing: no_event_is_there_twice
select event_id
from fact_focus_events
where date_key = :date_key
group by event_id
having count(*) > 1;

-- warning: no_event_is_there_on_another_day_too
select elsewhere.event_id
from fact_focus_events as elsewhere
inner join fact_focus_events as fact
    on
        elsewhere.event_id = fact.event_id
        and fact.date_key = :date_key
where
    elsewhere.date_key between :look_back_key and :look_ahead_key
    and elsewhere.date_key <> :date_key;

-- failing: no_link_leads_nowhere
select fact.event_id
from fact_focus_events as fact
left join session_link
    on
        fact.session_id = session_link.session_id
        and fact.session_date_key = session_link.session_date_key
where
    fact.date_key = :date_key
    and fact.session_key is distinct from session_link.session_key;

-- failing: the_sums_are_the_sources
with source as (
    select
        count(*) as number,
        count(*) filter (where event_type = 'FOCUS_LOSS_DETECTED') as losses,
        count(*) filter (where event_type = 'FOCUS_INTERVENTION_SHOWN') as interventions,
        count(session_date_key) as sessions
    from stage
),

fact as (
    select
        count(*) as number,
        count(*) filter (where event_type = 'FOCUS_LOSS_DETECTED') as losses,
        count(*) filter (where event_type = 'FOCUS_INTERVENTION_SHOWN') as interventions,
        count(session_date_key) as sessions
    from fact_focus_events
    where date_key = :date_key
)

select *
from source
except
select *
from fact;
