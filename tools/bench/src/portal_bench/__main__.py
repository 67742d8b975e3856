"""Which benchmark runs, and did it reach its goal?"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from portal_bench import booking, store
from portal_bench.portal import Portal, running_portal
from portal_bench.report import Result
from portal_bench.rounds import Sizes

OF_THE_PORTAL: Final[dict[str, Callable[[Portal, Sizes], Result]]] = {"booking": booking.measure}


def main() -> int:
    """Run one benchmark; 0 when its goal was met."""
    parser = argparse.ArgumentParser(prog="./portal bench")
    parser.add_argument("name", choices=(*store.BENCHMARKS, *OF_THE_PORTAL))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of one measurement of a round")
    parser.add_argument("--steady-seconds", type=float, default=20, help="of the measurement at a fixed rate")
    parser.add_argument("--size", type=int, help="events, patients, items or slots to begin with")
    options = parser.parse_args()
    sizes = Sizes(options.rounds, options.seconds, options.steady_seconds, options.size)
    server = os.environ["DATABASE_URL"]
    if options.name in OF_THE_PORTAL:
        state = Path(os.environ["PORTAL_STATE"])
        with running_portal(server, os.environ["KAFKA_BOOTSTRAP_SERVERS"], state) as portal:
            result = OF_THE_PORTAL[options.name](portal, sizes)
    else:
        result = store.measure(options.name, server, sizes)
    result.show()
    print(f"  written to {result.write()}")
    return 0 if result.met else 1


if __name__ == "__main__":
    sys.exit(main())
