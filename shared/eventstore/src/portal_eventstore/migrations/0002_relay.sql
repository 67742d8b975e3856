-- migrate:up

-- How far the log has been published: everything up to `published` was acknowledged by Kafka. Each owner of the
-- relay takes the next `epoch`, and may move `published` only while that is still its own.
create table relay (
    only_row boolean primary key default true check (only_row),
    published bigint not null default 0,
    epoch bigint not null default 0
);

insert into relay default values;

-- migrate:down

drop table relay;
