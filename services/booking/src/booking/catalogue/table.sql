-- What the network offers: services, places and people, each row written by its one event; and who has ever
-- offered what where, by the doctors' days.

create table if not exists catalogue_service (
    service_id uuid primary key,
    name text not null,
    name_en text not null,
    kind text not null,
    modes text[] not null,
    levels text[] not null,
    referral_required boolean not null,
    price integer not null,
    covered boolean not null,
    preparation text not null,
    preparation_en text not null
);

create table if not exists catalogue_facility (
    facility_id uuid primary key,
    name text not null,
    street text not null,
    postal_code text not null,
    city text not null,
    zone text not null,
    phone text not null,
    partner boolean not null
);

create table if not exists catalogue_doctor (
    doctor_id uuid primary key,
    name text not null,
    pwz text not null,
    languages text[] not null
);
create index if not exists catalogue_doctor_name on catalogue_doctor (name, doctor_id);

create table if not exists catalogue_practice (
    doctor_id uuid not null,
    service_id uuid not null,
    facility_id uuid not null,
    primary key (doctor_id, service_id, facility_id)
);
create index if not exists catalogue_practice_service on catalogue_practice (service_id, facility_id, doctor_id);
create index if not exists catalogue_practice_facility on catalogue_practice (facility_id);
