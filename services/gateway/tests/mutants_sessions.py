"""Which bugs keep a session alive that should be over, and which test catches each when it is planted?"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from gateway import identity
from gateway.edge import session_table
from gateway.edge.open_sessions import OpenSessions
from gateway.end_sessions_when_password_changed import react
from gateway.forward import endpoint as forward
from portal_eventstore.decision import Unavailable


def _end_only_forgets() -> None:
    async def end(self: Any, session: Any) -> None:
        self._forget(session.digest)

    OpenSessions.end = end  # type: ignore[method-assign]


def _revocation_only_forgets() -> None:
    async def end_own(self: Any, session_id: UUID, account_id: UUID) -> bool:
        theirs = [s for s in await self._rows.of_account(account_id) if s.id == session_id]
        for session in theirs:
            self._forget(session.digest)
        return bool(theirs)

    OpenSessions.end_own = end_own  # type: ignore[method-assign]


def _reset_only_forgets() -> None:
    async def end_all(self: Any, account_id: UUID) -> None:
        self._forget_all(account_id)

    OpenSessions.end_all = end_all  # type: ignore[method-assign]


def _reset_answers_though_rows_remain() -> None:
    end_all = OpenSessions.end_all

    async def hope(self: Any, account_id: UUID) -> None:
        with suppress(Unavailable):
            await end_all(self, account_id)

    OpenSessions.end_all = hope  # type: ignore[method-assign]


def _change_leaves_the_others() -> None:
    async def replace_all(self: Any, person: Any, *, password_position: int) -> str:
        assert password_position
        return await self.open(person, began=self._clock(), replaces=None)  # type: ignore[no-any-return]

    OpenSessions.replace_all = replace_all  # type: ignore[method-assign]


def _begun_when_the_check_ended() -> None:
    opened = OpenSessions.open

    async def open_now(self: Any, person: Any, *, began: Any, replaces: str | None) -> str:
        assert began <= self._clock()
        return await opened(self, person, began=self._clock(), replaces=replaces)

    OpenSessions.open = open_now  # type: ignore[method-assign]


def _anybody_ends_it() -> None:
    _rewrite(session_table, "_REMOVE_OWN", " and account_id = $2", " and $2::uuid is not null")


def _reaction_ends_nothing() -> None:
    _rewrite(react, "_END", "delete from session using ended where", "select from session, ended where")


def _reaction_ends_what_the_change_opened() -> None:
    _rewrite(react, "_END", "s.password_position < change.position", "change.position > 0")


def _reaction_spares_the_same_instant() -> None:
    _rewrite(react, "_END", "s.created_at <= change.at", "s.created_at < change.at")


def _client_names_its_address() -> None:
    def believed(request: Any) -> str | None:
        told: str | None = request.headers.get("x-forwarded-for")
        return told

    identity.client_address = believed  # type: ignore[attr-defined]
    forward.client_address = believed  # type: ignore[attr-defined]


def _rewrite(module: Any, name: str, old: str, new: str) -> None:
    text = getattr(module, name)
    assert old in text, f"nothing to mutate: {old!r}"
    setattr(module, name, text.replace(old, new))


_TESTS = "services/gateway/tests/"
_SESSIONS = f"{_TESTS}test_sessions.py::"
_ACCOUNT = f"{_TESTS}test_account.py::"
_REACTION = f"{_TESTS}test_end_sessions_when_password_changed.py::"

MUTANTS: dict[str, tuple[Callable[[], None], str]] = {
    "a sign-out only forgets the memory": (
        _end_only_forgets,
        _SESSIONS + "test_given_a_session_when_signed_out_then_the_row_is_gone_and_the_cookie_cleared",
    ),
    "a revocation only forgets the memory": (
        _revocation_only_forgets,
        _SESSIONS + "test_given_another_session_of_mine_when_ended_then_its_row_is_gone_and_it_is_signed_out",
    ),
    "anybody ends a session whose id they know": (
        _anybody_ends_it,
        _TESTS + "test_session_table.py::"
        "test_given_a_session_when_its_account_removes_it_by_id_then_gone_and_no_others_can",
    ),
    "a reset only forgets the memory": (
        _reset_only_forgets,
        _ACCOUNT + "test_given_a_link_when_the_password_is_reset_then_every_session_of_the_account_is_over",
    ),
    "a reset succeeds though the rows remain": (
        _reset_answers_though_rows_remain,
        _ACCOUNT + "test_hazard_table_away_when_the_password_was_reset_then_503",
    ),
    "a changed password leaves the other sessions": (
        _change_leaves_the_others,
        _ACCOUNT
        + "test_given_three_browsers_when_the_password_changes_then_this_one_goes_on_under_a_new_cookie",
    ),
    "a session begins when the password check ends": (
        _begun_when_the_check_ended,
        _SESSIONS + "test_hazard_password_checked_before_it_changed_then_the_session_counts_as_begun_before",
    ),
    "the reaction ends nothing": (
        _reaction_ends_nothing,
        _REACTION
        + "test_given_a_change_then_sessions_that_began_before_it_end_and_later_ones_and_others_stay",
    ),
    "the reaction ends what the change itself opened": (
        _reaction_ends_what_the_change_opened,
        _REACTION + "test_hazard_clocks_equal_or_apart_then_what_the_change_itself_opened_stays",
    ),
    "the reaction spares what began at the same instant": (
        _reaction_spares_the_same_instant,
        _REACTION
        + "test_given_a_change_then_sessions_that_began_before_it_end_and_later_ones_and_others_stay",
    ),
    "a header names the client's address": (
        _client_names_its_address,
        _TESTS
        + "test_forward.py::test_hazard_forged_address_then_identity_hears_the_sockets_and_booking_none",
    ),
}
