"""Which operations does every service have?"""

from typing import Final

from portal_chassis.operations.operation import Operation

OPERATIONS: Final[tuple[Operation, ...]] = ()
