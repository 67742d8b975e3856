-- A patient's appointments, cancelled ones included. Every row is touched by its patient's events only, which
-- come in order. `status` is booked or cancelled: what is completed, the clock says. `reason` is ciphertext under
-- the patient's data key, bound to `event_id`, the booking.

create table if not exists appointments (
    appointment_id uuid primary key,
    patient_id uuid not null,
    event_id uuid not null,
    slot_id uuid not null,
    service_id uuid not null,
    doctor_id uuid not null,
    facility_id uuid not null,
    mode text not null,
    starts_at timestamptz not null,
    minutes integer not null,
    zone text not null,
    status text not null,
    source text not null,
    reason text
) with (fillfactor = 80);

create index if not exists appointments_of_patient on appointments (patient_id, starts_at, appointment_id);
