"""How is identity started? `python -m identity app|worker|all|migrate`."""

from pathlib import Path

from identity.app import make_app
from identity.settings import IdentitySettings
from identity.worker import run_worker
from portal_chassis.service import Service, main
from portal_eventstore.postgres import MIGRATIONS

SERVICE = Service(
    name="identity",
    settings=IdentitySettings.read,
    app=make_app,
    worker=run_worker,
    migrations=(
        (MIGRATIONS, "event_store_migration"),
        (Path(__file__).parents[2] / "migrations", "identity_migration"),
    ),
    views=(),
    keeps_log=True,
)

if __name__ == "__main__":
    main(SERVICE)
