-- Inferred members for the subject codes that the staged rows name and dim_subject does not have.
insert into dim_subject (subject_code, subject_name, is_inferred)
select distinct
    stage.subject_code,
    'UNKNOWN',
    true
from stage
where not exists (select from dim_subject where dim_subject.subject_code = stage.subject_code)
order by stage.subject_code
on conflict (subject_code) do nothing
