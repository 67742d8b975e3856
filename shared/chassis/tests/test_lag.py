"""Does `lag` say in words, in JSON and by its exit code how things are?"""

import argparse
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from portal_chassis.operations import lag as operation
from portal_chassis.operations.operation import Operated
from portal_eventstore.vitals.lag import Behind, Lag, LogLag, ViewLag

AT = datetime(2026, 11, 23, 12, 30, 5, tzinfo=UTC)
CALM = LogLag(
    head=5, published=5, backlog=0, oldest=0.0, owner="booking relay (backend 9, idle)", kept_by=None
)
WELL = ViewLag("free_slots", "following", 0, None, AT, 1.0, 0)
SLOW = ViewLag("levels", "behind", 12, Behind("identity.events", 3, 11), AT, 7_300.0, 2)


async def said(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, lag: Lag, *, as_json: bool = False
) -> tuple[int, str]:
    async def measured(*_: object, **__: object) -> Lag:
        return lag

    monkeypatch.setattr(operation, "measure", measured)
    operated = Operated("booking", "", "", (), keeps_log=True, migrations=())
    code = await operation.LAG.run(operated, argparse.Namespace(json=as_json))
    return code, capsys.readouterr().out


async def test_given_all_is_well_then_0(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    code, text = await said(monkeypatch, capsys, Lag("booking", CALM, [WELL]))
    assert code == 0
    assert text.splitlines() == [
        "booking",
        "  relay: head 5, published 5, 0 events wait",
        "  owner: booking relay (backend 9, idle)",
        "  VIEW        STATE      BEHIND  WORST PARTITION  COMPLETE UP TO        AGE  PARKED",
        "  free_slots  following  0       -                2026-11-23 12:30:05Z  1 s  0",
    ]


async def test_given_a_view_behind_then_1_and_where(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    code, text = await said(monkeypatch, capsys, Lag("booking", CALM, [SLOW]))
    assert code == 1
    assert "levels  behind  12      identity.events/3: 11  2026-11-23 12:30:05Z  2 h  2" in text


@pytest.mark.parametrize(
    "log",
    [
        LogLag(head=9, published=5, backlog=4, oldest=31.0, owner=None, kept_by=None),
        LogLag(head=20_000, published=5, backlog=19_995, oldest=1.0, owner="x", kept_by=None),
        LogLag(head=5, published=5, backlog=0, oldest=0.0, owner="x", kept_by="psql (backend 4, idle)"),
    ],
)
async def test_given_a_backlog_or_a_kept_lock_then_1(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, log: LogLag
) -> None:
    code, text = await said(monkeypatch, capsys, Lag("booking", log, [WELL]))
    assert code == 1
    assert ("append lock: kept by psql (backend 4, idle)" in text) == (log.kept_by is not None)
    assert ("nobody: no relay runs" in text) == (log.owner is None)


async def test_given_a_server_that_was_not_asked_then_2_and_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    lag = Lag("booking", CALM, [WELL], ["booking.events: Kafka does not answer (KafkaConnectionError)"])
    code, text = await said(monkeypatch, capsys, lag, as_json=True)
    assert code == 2
    told = json.loads(text)
    assert told["unasked"] == ["booking.events: Kafka does not answer (KafkaConnectionError)"]
    assert told["log"]["head"] == 5
    assert told["views"][0]["fresh_at"] == "2026-11-23 12:30:05+00:00"
