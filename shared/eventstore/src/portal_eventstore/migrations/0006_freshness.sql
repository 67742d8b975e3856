-- migrate:up

-- How far Kafka had come when the partition's owner last looked (`end_offset`), and the last time at which
-- the view had all of it: whatever was published up to `fresh_at` is in the view, of this partition.
alter table projection_position add column end_offset bigint, add column fresh_at timestamptz;

-- migrate:down

alter table projection_position drop column end_offset, drop column fresh_at;
