-- A source of many learners and nothing else, after sql/source/schema.sql. Variables: number.
set timezone to 'UTC';

insert into tenants (id, name, type, country, timezone, is_active, created_at, updated_at)
select
    md5('t' || n)::uuid,
    'Tenant ' || n,
    'SCHOOL',
    'US',
    'America/New_York',
    true,
    '2024-01-01',
    '2024-01-01'
from generate_series(0, 19) as s (n);

insert into learners (id, tenant_id, grade_band, grade_level, is_active, created_at, updated_at)
select
    md5('l' || n)::uuid,
    md5('t' || n % 20)::uuid,
    'K5',
    n % 6,
    true,
    '2024-01-02',
    '2024-01-02'
from generate_series(0, :number - 1) as s (n);

create index if not exists learners_updated_at on learners (updated_at);
