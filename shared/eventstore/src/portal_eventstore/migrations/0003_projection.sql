-- migrate:up

-- How far each view has come: `next_offset` is the first record not yet seen, `last_position` the highest
-- ce_sequence applied. Written in the transaction that writes the view's rows.
create table projection_position (
    view text not null,
    topic text not null,
    partition int not null,
    next_offset bigint not null default 0,
    last_position bigint not null default 0,
    primary key (view, topic, partition)
) with (fillfactor = 50);

-- Which topics a view reads: a reader that waits for its own write must know what not to wait for.
create table projection_topic (
    view text not null,
    topic text not null,
    primary key (view, topic)
);

-- migrate:down

drop table projection_topic;
drop table projection_position;
