"""Is the process that runs in this container ready? `python -m portal_chassis.healthcheck` exits 0 if so.

It asks `/readyz` and loads next to nothing: an engine runs it every few seconds.
"""

import http.client
import os
import sys
from http import HTTPStatus

_SECONDS = 6.0


def is_ready(port: int) -> bool:
    """Ask `/readyz` of a loopback port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not is_ready(int(os.environ["HTTP_PORT"])))
