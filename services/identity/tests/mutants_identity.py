"""Which bugs do such accounts have, and which test catches each when it is planted?"""

from identity import credentials, limits, password_changes, sweep
from identity.change_email import decide as change_email
from identity.open_account import decide as open_account
from identity.reset_password import reset
from identity.send_mail import mailer
from identity.sign_in import check
from portal_eventstore.testing.planting import Bug, rewrite

_USED = """    delete from link where digest = $1 and purpose = 'reset-password' and expires_at > $3
    returning account_id"""
_ANNOUNCED = """        outcome = await self.decider.execute(ANNOUNCE_PASSWORD, command, context)
        await self.credentials.announced(changed)
"""

_TESTS = "services/identity/tests/test_"
_RESET = _TESTS + "reset_password.py::test_hazard_"
_LIMITS = _TESTS + "limits.py::test_hazard_"

MUTANTS: dict[str, Bug] = {
    "a reset link works twice": Bug(
        rewrite(
            credentials,
            _USED,
            "    select account_id from link where digest = $1 and purpose = 'reset-password'"
            " and expires_at > $3",
        ),
        _RESET + "a_used_link_is_replayed[postgres]",
    ),
    "a limiter locks the owner out": Bug(
        rewrite(
            limits, "if not await self.attempts.is_familiar(self._familiar(email_tag, client)):", "if True:"
        ),
        _LIMITS + "guesses_lock_the_owner_out[memory]",
    ),
    "a clock that was ahead locks everybody out": Bug(
        rewrite(
            limits,
            "case when a.full_until > $3 + $4::interval then $3",
            "case when $4::interval is null then $3",
        ),
        _LIMITS + "a_clock_was_a_day_ahead[postgres]",
    ),
    "guesses are counted once they are wrong": Bug(
        rewrite(
            check,
            "        guess = await self.limits.guess(email_tag, client, now)\n        try:\n",
            "        try:\n            await self._check(email_tag, password, now)\n"
            "        except SignInFailed:\n            pass\n"
            "        guess = await self.limits.guess(email_tag, client, now)\n        try:\n",
        ),
        _TESTS + "sign_in.py::test_given_too_many_guesses_when_another_comes_then_no_password_is_verified",
    ),
    "a reset is ordered for known addresses only": Bug(
        rewrite(
            reset,
            "if await self.limits.reset_mail(",
            "if await self.accounts.holder(email_tag) and await self.limits.reset_mail(",
        ),
        _RESET + "an_unknown_address_takes_the_same_steps",
    ),
    "the note of a change is removed before the log knows": Bug(
        rewrite(
            password_changes,
            _ANNOUNCED,
            "".join(reversed(_ANNOUNCED.splitlines(keepends=True))),
        ),
        _RESET + "process_dies_between_the_password_and_the_log[memory]",
    ),
    "a change is told twice": Bug(
        rewrite(password_changes, "request=request", "request=None"),
        _RESET + "process_dies_between_the_log_and_the_note[memory]",
    ),
    "a reset link outlives its address": Bug(
        rewrite(reset, "account.email_tag != link.email_tag", "False"),
        _TESTS + "change_email.py::test_hazard_a_reset_link_to_the_old_address_after_the_change[memory]",
    ),
    "the old password still signs in while it is changed": Bug(
        rewrite(check, "if matches and newest != password_hash:", "if False:"),
        _RESET + "sign_in_with_the_old_password_is_under_way_while_it_changes",
    ),
    "one mailbox moves the account": Bug(
        rewrite(change_email, "if not change.approved:", "if False:"),
        _TESTS + "change_email.py::test_hazard_one_mailbox_alone_cannot_move_the_account[memory]",
    ),
    "a new address is checked when it is wanted, not when it is taken": Bug(
        rewrite(change_email, "if state.holders.get(command.email_tag) is not None:", "if False:"),
        _TESTS + "change_email.py::test_given_somebody_took_the_address_meanwhile_when_a_link_is_opened_"
        "then_refused",
    ),
    "a wish is mailed to whoever has the address": Bug(
        rewrite(mailer, "return None if taken else", "return"),
        _TESTS + "change_email.py::test_hazard_probing_addresses_by_wanting_them[memory]",
    ),
    "whom the desk knows cannot sign up": Bug(
        rewrite(open_account, "event.origin is Origin.ACCOUNT", "True"),
        _TESTS + "open_account.py::test_given_the_desk_knows_the_person_when_opened_then_"
        "a_patient_of_its_own",
    ),
    "the sweep takes the keys of staff": Bug(
        rewrite(
            sweep,
            "in ('patient:' || k.patient_id, 'account:' || k.patient_id)",
            "= 'patient:' || k.patient_id",
        ),
        _TESTS + "sweep.py::test_given_rows_without_events_when_swept_then_"
        "only_those_that_cannot_be_on_their_way_go",
    ),
}
