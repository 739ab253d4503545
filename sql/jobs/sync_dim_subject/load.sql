-- Grain: one row per subject of subjects.csv, as dim_subject should hold it.
select
    subject_code,
    subject_name,
    description,
    false as is_deleted
from stage
