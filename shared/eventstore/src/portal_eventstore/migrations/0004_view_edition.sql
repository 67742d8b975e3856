-- migrate:up

-- Which edition of each view the tables hold: a digest of how its rows look and what they are made of. A process
-- writes only tables of its own edition; others are built anew beside them and put in their place.
create table projection_view (
    view text primary key,
    edition text not null,
    -- The view's tables, as its own SQL made them.
    tables text[] not null
);

-- Whose places these are. It stands in the row that a worker locks, so that one that has waited for the lock
-- sees that the tables were replaced meanwhile.
alter table projection_position add column edition text;

-- migrate:down

alter table projection_position drop column edition;
drop table projection_view;
