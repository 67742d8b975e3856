"""How is one part measured in a process of its own?

`python -m portal_bench.client SUBJECT MODE CLIENTS SECONDS HOT` prints its figures as JSON.
"""

import json
import os
import sys
from uuid import UUID

import uvloop

from portal_bench.ours import run_ours
from portal_bench.peer import run_peer


def main() -> None:
    """Measure and print the figures as one line of JSON."""
    subject, mode, clients, seconds, hot = sys.argv[1:]
    url = os.environ["DATABASE_URL"]
    if subject == "ours":
        measured = uvloop.run(run_ours(url, mode, int(clients), float(seconds), UUID(hot)))
    else:
        measured = run_peer(url, mode, int(clients), float(seconds))
    print(json.dumps(measured.figures().to_json()))


if __name__ == "__main__":
    main()
