-- migrate:up

-- The log: positions rise in commit order, because every append goes through append_batch, which holds the
-- append lock until its transaction ends. Readers therefore use plain `position > last`.
create table event (
    position bigint primary key,
    id uuid not null unique,
    type text not null,
    version smallint not null,
    tags text[] not null,
    -- JSON kept as text: jsonb would refuse U+0000 and reorder what the producer wrote.
    data text not null,
    time timestamptz not null,
    metadata text not null
);

-- The tag index answers both a decision's read and an append's condition from one B-tree. Tags are compared
-- byte by byte: a language's collation, which the database may have, is several times slower.
create table event_tag (
    tag text collate "C" not null,
    position bigint not null,
    type text collate "C" not null,
    primary key (tag, position) include (type)
);

create sequence event_position;

-- Append many groups of events, each group by itself: returns a position an event, null where a condition of
-- its group went stale. Arrays of one length describe the events (e_), in the order of their positions, and the
-- conditions (c_); e_group and c_group say which group an element belongs to. Tags and types are
-- separated by spaces; `*` stands for any type.
-- With `resend` the same ids may be there already: the batch committed whole, so its verdicts are told again.
create function append_batch(
    resend boolean,
    e_group int[], e_id uuid[], e_type text[], e_version smallint[], e_tags text[], e_data text[],
    e_time timestamptz[], e_metadata text[],
    c_group int[], c_tag text[], c_types text[], c_after bigint[]
) returns bigint[]
language plpgsql
-- A custom plan would be made anew for each of the first five calls, and is slower afterwards.
set plan_cache_mode = force_generic_plan
as $$
declare
    stale int[];
    positions bigint[];
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'append_batch needs READ COMMITTED: under % its check would not see what was committed while it waited for the lock',
            current_setting('transaction_isolation') using errcode = 'invalid_transaction_state';
    end if;

    perform pg_advisory_xact_lock(7305808869231650892);
    -- Only a later statement than the lock has a snapshot that includes whoever held it before.

    if resend then
        positions := array(
            select e.position from unnest(e_id) with ordinality as sent (id, n)
            left join event e on e.id = sent.id order by sent.n
        );
        if exists (select from unnest(positions) as p (position) where p.position is not null) then
            return positions;
        end if;
    end if;

    stale := array(
        select distinct c.group_no from unnest(c_group, c_tag, c_types, c_after) as c (group_no, tag, types, after)
        where exists (
            select from event_tag t where t.tag = c.tag and t.position > c.after
            and (c.types = '*' or t.type = any (string_to_array(c.types, ' ')))
        )
    );

    positions := array(
        select case when e.group_no = any (stale) then null else nextval('event_position') end
        from unnest(e_group) as e (group_no)
    );

    insert into event (position, id, type, version, tags, data, time, metadata)
    select e.position, e.id, e.type, e.version, string_to_array(e.tags, ' '), e.data, e.time, e.metadata
    from unnest(positions, e_id, e_type, e_version, e_tags, e_data, e_time, e_metadata)
        as e (position, id, type, version, tags, data, time, metadata)
    where e.position is not null;

    insert into event_tag (tag, position, type)
    select tag, e.position, e.type
    from unnest(positions, e_type, e_tags) as e (position, type, tags), string_to_table(e.tags, ' ') as tag
    where e.position is not null;

    perform pg_notify('event_appended', '');
    return positions;
end
$$;

-- migrate:down

drop function append_batch;
drop sequence event_position;
drop table event_tag;
drop table event;
