-- migrate:up

-- The builds of views that are under way or were left behind: what they have done, so that they go on after a
-- crash, and how far they are, for whoever asks.
create table projection_build (
    -- The schema that holds the tables, and the name of the build's places: `<view>_next`, or `<view>_check` for
    -- one that only compares.
    build text primary key,
    id uuid not null unique default gen_random_uuid(),
    view text not null,
    edition text not null,
    phase text not null,
    -- Records of this phase, read and to be read.
    done bigint not null default 0,
    total bigint not null default 0,
    -- What makes the indexes and constraints that the tables still lack, in order.
    definitions text[] not null default '{}',
    started_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- The partitions that a build fills its tables from, up to the fence: `waiting`; `done`; or `left` to be applied
-- record by record, because something in it could not be folded. Whoever fills one holds the row's lock.
create table projection_build_unit (
    build text not null references projection_build on delete cascade,
    topic text not null,
    partition int not null,
    fence bigint not null,
    state text not null default 'waiting',
    primary key (build, topic, partition)
);

-- `replaced`: earlier editions of the tables. Code of one of them is old: it does not build its own again by
-- itself. `built_at`: when a build was last put in the place of the tables.
alter table projection_view add column replaced text[] not null default '{}', add column built_at timestamptz;

-- migrate:down

alter table projection_view drop column built_at, drop column replaced;
drop table projection_build_unit;
drop table projection_build;
