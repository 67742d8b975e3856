"""Which benchmarks run, and did they reach their goals?

Those of the store and of views, each with its own tables, and those of a whole portal are not asked for
together.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from portal_bench import booking, filling, lag, search, store, timeline
from portal_bench.portal import Portal, running_portal
from portal_bench.report import RESULTS, Result
from portal_bench.rounds import Sizes

OF_THE_PORTAL: Final[dict[str, Callable[[Portal, Sizes], Result]]] = {
    "booking": booking.measure,
    "timeline": timeline.measure,
    "search": search.measure,
    "lag": lag.measure,
}


def main() -> int:
    """Run benchmarks; 0 when every goal was met."""
    parser = argparse.ArgumentParser(prog="./portal bench")
    parser.add_argument(
        "names", nargs="+", choices=(*store.BENCHMARKS, *filling.BENCHMARKS, *OF_THE_PORTAL), metavar="NAME"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of one measurement of a round")
    parser.add_argument("--steady-seconds", type=float, default=20, help="of the measurement at a fixed rate")
    parser.add_argument("--size", type=int, help="events, patients, items or slots to begin with")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder to write to")
    options = parser.parse_args()
    sizes = Sizes(options.rounds, options.seconds, options.steady_seconds, options.size)
    met = True
    for result in _measured(options.names, os.environ["DATABASE_URL"], sizes):
        result.show()
        print(f"  written to {result.write(options.results)}", flush=True)
        met = met and result.met
    return 0 if met else 1


def _measured(names: Sequence[str], server: str, sizes: Sizes) -> Iterator[Result]:
    if names[0] in store.BENCHMARKS:
        yield from (store.measure(name, server, sizes) for name in names)
        return
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    if names[0] in filling.BENCHMARKS:
        yield from (filling.BENCHMARKS[name](server, servers, sizes) for name in names)
        return
    state = Path(os.environ["PORTAL_STATE"])
    with running_portal(server, servers, state) as portal:
        yield from (OF_THE_PORTAL[name](portal, sizes) for name in names)


if __name__ == "__main__":
    sys.exit(main())
