-- The names that other views only hold ids of: services, facilities and doctors, one row each.
create table if not exists directory (
    id uuid primary key,
    name text not null,
    -- A service's name in English; null for the others.
    name_en text,
    -- A facility's address and its desk's number; null for the others.
    street text,
    postal_code text,
    city text,
    phone text
);
