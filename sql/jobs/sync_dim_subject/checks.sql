-- Each check returns the rows that break its promise. failing: the sync is rolled back; warning: it is logged.

-- failing: every_subject_of_the_list_is_there_and_not_inferred
select stage.subject_code
from stage
where not exists (
    select
    from dim_subject
    where
        dim_subject.subject_code = stage.subject_code
        and not dim_subject.is_inferred
);
