"""Which operations does every service have?"""

from typing import Final

from portal_chassis.operations.backup import BACKUP
from portal_chassis.operations.lag import LAG
from portal_chassis.operations.operation import Operation
from portal_chassis.operations.parked import PARKED
from portal_chassis.operations.rebuild import REBUILD
from portal_chassis.operations.restore import RESTORE
from portal_chassis.operations.verify import VERIFY

OPERATIONS: Final[tuple[Operation, ...]] = (
    LAG,
    PARKED,
    REBUILD,
    RESTORE,
    BACKUP,
    VERIFY,
)
