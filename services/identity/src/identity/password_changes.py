"""How does the log learn that a password was changed, whatever dies in between?

First the hash is replaced, and in the same statement the link is used up and the change noted: from then on
the new password counts and the old one does not. Then PasswordChanged is appended, with the time of the
change, which ends older sessions everywhere and is mailed about; then the note is removed. When the process
dies in between, or the store does not answer, the worker appends what is noted; the request tag, made of the
account and the time, lets it happen once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from identity.accounts import OWNER, Accounts
from identity.command_context import command_context
from identity.credentials import Changed, Credentials
from identity.rules.password_announcement import ANNOUNCE_PASSWORD, AnnouncePassword
from portal_chassis.idempotency import RequestKeys
from portal_chassis.logs import exception_summary
from portal_chassis.positions import Positions, of_outcome
from portal_eventstore.execute import Decider

_LEFT_BEHIND: Final = timedelta(seconds=5)
"""After so long whoever changed the password no longer says so."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PasswordChanges:
    """What telling the log needs."""

    accounts: Accounts
    decider: Decider
    credentials: Credentials
    request_keys: RequestKeys

    async def announce(self, changed: Changed) -> Positions:
        """Tell the log of a change that was made just now. It is made: what fails here is done later."""
        try:
            return await self._announce(changed)
        except Exception as error:  # noqa: BLE001 - it is logged, and the worker tries again
            _log.warning("password change not announced yet", failure=exception_summary(error))
            return {}

    async def announce_left(self, now: datetime) -> None:
        """Tell the log what was left behind."""
        for changed in await self.credentials.unannounced(now - _LEFT_BEHIND):
            await self._announce(changed)

    async def _announce(self, changed: Changed) -> Positions:
        account = await self.accounts.account(changed.account_id)
        if account is None:
            raise LookupError("a password was changed that belongs to no account")
        request = self.request_keys.request(
            actor=str(account.account_id),
            route="PasswordChanged",
            key=changed.changed_at.isoformat(),
            body=changed.change.encode(),
        )
        context = command_context(now=changed.changed_at, actor=str(account.account_id), request=request)
        command = AnnouncePassword(
            account_id=account.account_id, patient_id=account.patient_id, change=changed.change
        )
        outcome = await self.decider.execute(ANNOUNCE_PASSWORD, command, context)
        await self.credentials.announced(changed)
        return of_outcome(OWNER, outcome)
