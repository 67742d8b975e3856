"""Which services are there, as the main module of each hands it over?"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from portal_chassis.service import Service
from portal_eventstore.view import NO_ROWS, View
from portal_launcher import services


def _handed_over(name: str) -> Service[Any]:
    [service] = [it for it in vars(import_module(f"{name}.__main__")).values() if isinstance(it, Service)]
    return service


SERVICES: Final[Mapping[str, Service[Any]]] = {
    each.name: _handed_over(each.name) for each in services.SERVICES
}
VIEWS: Final[Mapping[str, tuple[str, View[Any]]]] = {
    f"{name}/{view.name}": (name, view)
    for name, service in SERVICES.items()
    for view in service.views
    if view.table != NO_ROWS
}
"""What is kept in rows, each with its service; a reaction keeps none."""
