-- What the network offers: services, places and people, each row written by its one event.

create table if not exists catalogue_service (
    service_id uuid primary key,
    name text not null,
    name_en text not null,
    price integer not null
);

create table if not exists catalogue_facility (
    facility_id uuid primary key,
    name text not null,
    street text not null,
    city text not null,
    zone text not null
);

create table if not exists catalogue_doctor (
    doctor_id uuid primary key,
    name text not null,
    pwz text not null,
    languages text[] not null
);
