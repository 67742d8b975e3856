"""Which figures does a worker show of its service's log, relay and views?

Those of log, views and lock are of the whole service, as its database tells them: every worker shows the
same. Those of the relay's ownership, of failures and of stopped views are the process's own.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from portal_eventstore.project import Projector
from portal_eventstore.relay.publish import Relay
from portal_eventstore.vitals.diagnosis import Findings
from portal_eventstore.vitals.signs import LogSigns, ViewSigns
from portal_eventstore.vitals.watch import Watcher

_VIEW: Final = ("view",)


def watched(watcher: Watcher) -> Iterator[Metric]:
    """Show what the watcher found last, and how long ago; nothing that is no longer known."""
    yield GaugeMetricFamily("portal_vitals_age_seconds", "Since the watcher last looked", watcher.age)
    found = watcher.findings
    if found is None:
        return
    if found.signs.log is not None:
        yield from _log(found, found.signs.log)
    yield from _views(found.signs.views, found)


def worked(relay: Relay | None, projectors: Iterable[Projector]) -> Iterator[Metric]:
    """Show how this process's own relay and views do."""
    if relay is not None:
        yield GaugeMetricFamily("portal_relay_owner", "1 publishes, 0 stands by", int(relay.owns))
        yield CounterMetricFamily(
            "portal_relay_failures", "Failed attempts to read the log, reach Kafka or publish", relay.failed
        )
    stopped = GaugeMetricFamily(
        "portal_view_stopped", "1: something keeps the view from going on", labels=_VIEW
    )
    for projector in projectors:
        for view, does_not_go_on in projector.stopped().items():
            stopped.add_metric([view], int(does_not_go_on))
    yield stopped


def _log(found: Findings, log: LogSigns) -> Iterator[Metric]:
    yield GaugeMetricFamily("portal_relay_head_position", "Highest position of the log", log.head)
    yield GaugeMetricFamily("portal_relay_published_position", "Kafka has all up to here", log.published)
    yield GaugeMetricFamily("portal_relay_backlog_events", "Events that wait for Kafka", log.backlog)
    yield GaugeMetricFamily(
        "portal_relay_oldest_unpublished_age_seconds", "Age of the first that waits, 0 for none", found.oldest
    )
    yield GaugeMetricFamily("portal_relay_stalled", "1: events wait and none gets on", int(found.stalled))
    yield GaugeMetricFamily(
        "portal_append_lock_held_seconds", "For how long its present holder has been seen", found.lock_held
    )
    yield GaugeMetricFamily(
        "portal_append_lock_waiting_backends", "Sessions that wait for the lock", log.lock_waiting
    )
    yield GaugeMetricFamily("portal_append_lock_blocked", "1: nothing can be written", int(found.blocked))


def _views(views: Iterable[ViewSigns], found: Findings) -> Iterator[Metric]:
    behind = GaugeMetricFamily("portal_view_behind_records", "Records not applied yet", labels=_VIEW)
    age = GaugeMetricFamily("portal_view_freshness_age_seconds", "Since the view was complete", labels=_VIEW)
    parked = GaugeMetricFamily("portal_view_parked_records", "Records that wait in the table", labels=_VIEW)
    built = GaugeMetricFamily("portal_view_build_ratio", "How far a build of the view is", labels=_VIEW)
    for view in views:
        age.add_metric([view.name], found.ages[view.name])
        parked.add_metric([view.name], view.parked)
        if view.behind is not None:
            behind.add_metric([view.name], view.behind)
        if view.built is not None:
            built.add_metric([view.name], view.built)
    yield from (behind, age, parked, built)
