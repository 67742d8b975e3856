-- migrate:up

-- Which server, history and tables were last compared with Kafka. A restored or copied store brings this row
-- along and no longer fits it.
create table store_identity (
    only_row boolean primary key default true check (only_row),
    system text not null,
    timeline text not null,
    database oid not null,
    tables oid not null,
    compared_at timestamptz not null default now()
);

-- Events that Kafka holds of an append which it does not hold whole: a restore leaves them out of the store.
create table dropped_event (
    position bigint primary key,
    id uuid not null unique,
    dropped_at timestamptz not null default now()
);

-- migrate:down

drop table dropped_event;
drop table store_identity;
