"""Which operations does every service have?"""

from typing import Final

from portal_chassis.operations.operation import Operation
from portal_chassis.operations.parked import PARKED

OPERATIONS: Final[tuple[Operation, ...]] = (PARKED,)
