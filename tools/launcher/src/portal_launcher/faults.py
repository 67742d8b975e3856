"""Which ways of not going on does the launcher know, and with which exit codes?

`portal` itself uses 3 to 8 for the same causes; the codes here continue them.
"""

from __future__ import annotations

NO_SPACE = 5
NO_NETWORK = 6
BROKEN = 8
PORT_TAKEN = 9
ALREADY_RUNNING = 10
NOT_RUNNING = 11
DID_NOT_START = 12
UNKNOWN_SERVICE = 13
UNKNOWN_PROOF = 14
UNKNOWN_BACKEND = 15
NO_DOCKER = 16


class Fault(Exception):
    """Something that one sentence explains; `code` is the exit code."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
