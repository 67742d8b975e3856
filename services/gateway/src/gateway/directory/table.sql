-- The names that other views only hold ids of: services, facilities and doctors, one row each.
create table if not exists directory (
    id uuid primary key,
    name text not null,
    -- A facility's address; null for the others.
    street text,
    city text
);
