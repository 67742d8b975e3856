"""How is the gateway started? `python -m gateway app|worker|all|migrate`."""

from pathlib import Path
from typing import Final

from gateway.app import make_app
from gateway.settings import read_settings
from gateway.worker import PROJECTIONS, work
from portal_chassis.service import Service, main
from portal_eventstore.postgres import MIGRATIONS
from portal_eventstore.view import view_of

OWN_MIGRATIONS: Final = Path(__file__).resolve().parents[2] / "migrations"

SERVICE: Final = Service(
    name="gateway",
    settings=read_settings,
    app=make_app,
    worker=work,
    # The gateway appends nothing; of the store's tables it needs those of the views.
    migrations=[(MIGRATIONS, "event_store_migration"), (OWN_MIGRATIONS, "gateway_migration")],
    views=[view_of(projection) for projection in PROJECTIONS],
    keeps_log=False,
)

if __name__ == "__main__":
    main(SERVICE)
