-- migrate:up

-- Records that a view could not apply, and every later one of the same key, which waits behind it. The record
-- stands here as it was read, sealed fields and all, so that it can be read again; what is told about it beside
-- (reason, stack) is made of names and places only.
create table parked (
    -- What an operator calls it.
    number bigint generated always as identity primary key,
    view text not null,
    topic text not null,
    partition int not null,
    record_offset bigint not null,
    position bigint,
    event_id uuid,
    type text,
    key bytea,
    value bytea,
    -- Names as bytes, too: a text may not hold every character that Kafka takes.
    header_names bytea[] not null,
    header_values bytea[] not null,
    reason text not null,
    stack text not null,
    -- How often it was handled.
    deliveries smallint not null,
    parked_at timestamptz not null default now(),
    status text not null default 'waiting' check (status in ('waiting', 'replayed', 'discarded')),
    -- The number of the record that it waits behind; null for the one that cannot be applied itself.
    behind bigint,
    settled_at timestamptz,
    discard_reason text,
    -- Whether a copy is on the topic for parked records.
    relayed boolean not null default false,
    unique (view, topic, partition, record_offset)
);

-- By a digest: a key may be longer than an index takes.
create index parked_waiting on parked (view, topic, partition, md5(key)) where status = 'waiting';
create index parked_event on parked (view, event_id);
create index parked_unrelayed on parked (number) where not relayed;

-- They stand in the row that a batch locks and writes anyway. `parked`: how many records of the partition wait.
-- `begun`: how often a worker began here since the place moved last; `deliveries`: how often the next record was
-- handled alone. Both tell a record that kills its worker.
alter table projection_position
    add column parked bigint not null default 0,
    add column begun smallint not null default 0,
    add column deliveries smallint not null default 0;

-- migrate:down

alter table projection_position drop column parked, drop column begun, drop column deliveries;
drop table parked;
