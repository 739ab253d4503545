-- Upsert of the six subjects, out of the pipeline's own CSV file.
begin;

create temporary table stage (subject_code text, subject_name text, description text) on commit drop;
\copy stage from pstdin (format csv, header)

insert into dim_subject as known (subject_code, subject_name, description)
select
    subject_code,
    subject_name,
    description
from stage
on conflict (subject_code) do update
    set
        subject_name = excluded.subject_name,
        description = excluded.description
    where
    row(known.subject_name, known.description) is distinct from row(excluded.subject_name, excluded.description);

commit;
