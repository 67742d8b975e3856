"""Which of a worker's views may it follow, and how do the others come to be built anew?

What it may follow has the tables of its own edition, all of them. Of several workers one builds, the others
wait; what was replaced by a newer edition's is left to that edition's code.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from portal_eventstore.editions import Standing, registered, standing
from portal_eventstore.rebuild.build import NEXT, RebuildError, build_name, progress
from portal_eventstore.rebuild.lock import RunningError, is_running
from portal_eventstore.view import NO_ROWS, View

_log = logging.getLogger(__name__)

Rebuilds: TypeAlias = Callable[[View[Any]], Awaitable[object]]
"""Builds a view anew; raises RebuildError."""

_LOOK_SECONDS = 2.0


class Followable:
    """Looks again whenever asked; builds in the background."""

    def __init__(
        self, service: str, pool: Any, views: Sequence[View[Any]], rebuilds: Rebuilds | None
    ) -> None:
        """Judge `views`; without `rebuilds` an operator must build."""
        self.built_at: dict[str, datetime | None] = {}
        self._service = service
        self._pool = pool
        self._views = views
        self._rebuilds = rebuilds
        self._told: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._building: asyncio.Task[None] | None = None

    def problems(self) -> list[str]:
        """Say which views are not followed, and why."""
        return [f"view {name}: {why}" for name, why in self._told.items()]

    def stopped(self) -> dict[str, bool]:
        """Say of each view that is not followed that it stands still."""
        return dict.fromkeys(self._told, True)

    async def look(self) -> list[View[Any]]:
        """Return the views that may be followed now, and see to it that the others are built."""
        followed: list[View[Any]] = []
        wanted: list[View[Any]] = []
        told: dict[str, str] = {}
        async with self._pool.acquire() as connection:
            for view in self._views:
                how = Standing.OURS if view.table == NO_ROWS else await standing(connection, view)
                known = await registered(connection, view.name)
                self.built_at[view.name] = None if known is None else known.built_at
                if how is Standing.OURS:
                    followed.append(view)
                elif how is Standing.NEWER:
                    told[view.name] = (
                        "its tables are of a newer edition, which this process does not follow; "
                        f"./portal rebuild {self._service}/{view.name} makes this code's again"
                    )
                else:
                    wanted.append(view)
                    told[view.name] = await self._state(connection, view)
        self._told = told
        if wanted and self._rebuilds is not None and (self._building is None or self._building.done()):
            self._building = asyncio.create_task(self._build(wanted, self._rebuilds))
        return followed

    async def stop(self) -> None:
        """Build no more; what was built is kept."""
        if self._building is not None:
            self._building.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._building
            self._building = None

    async def _state(self, connection: Any, view: View[Any]) -> str:
        found = await progress(connection, view.name)
        if found is not None and await is_running(connection, build_name(view.name, NEXT)):
            return f"is being built anew, {found.percent} % ({found.phase})"
        if self._rebuilds is None:
            return f"must be built anew: ./portal rebuild {self._service}/{view.name}"
        return f"is to be built anew{self._failed.get(view.name, '')}"

    async def _build(self, views: Sequence[View[Any]], rebuilds: Rebuilds) -> None:
        for view in views:
            _log.info(
                "view %s: its tables are not of this code's edition, or gone: builds them anew", view.name
            )
            try:
                async with self._pool.acquire() as connection:
                    running = await is_running(connection, build_name(view.name, NEXT))
                if not running:
                    await rebuilds(view)
            except RunningError:
                _log.info("view %s: another process builds it", view.name)
            except Exception as error:  # noqa: BLE001  whatever it is, it is told and tried again
                # Only a rebuild's own sentence: another error's text may quote a row.
                why = str(error) if isinstance(error, RebuildError) else type(error).__name__
                self._failed[view.name] = f", which failed: {why}"
                _log.warning("view %s: the rebuild failed: %s", view.name, why)
            else:
                self._failed.pop(view.name, None)
        # A pause, also for others to finish.
        await asyncio.sleep(_LOOK_SECONDS)
