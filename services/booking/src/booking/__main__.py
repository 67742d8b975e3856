"""Which process is this? `python -m booking app|worker|all|migrate`."""

from booking.app import serve
from booking.settings import read_settings
from booking.worker import VIEWS, run_worker
from portal_chassis.service import Service, main
from portal_eventstore.postgres import MIGRATIONS

# Booking's own tables are all views: their rooms' table.sql makes them.
BOOKING = Service(
    name="booking",
    settings=read_settings,
    app=serve,
    worker=run_worker,
    migrations=[(MIGRATIONS, "event_store_migration")],
    views=VIEWS,
    keeps_log=True,
)

if __name__ == "__main__":
    main(BOOKING)
