"""Can each planted bug still be planted, or has the code changed where it belongs?

Each in a process of its own: none finds the code as another has left it.
"""

import os
import sys
import traceback

from tests.mutants import planted

gone: list[str] = []
for name, one in planted().items():
    child = os.fork()
    if not child:
        try:
            one.bug.change.make()
        except BaseException:  # noqa: BLE001  whatever it is, the bug is not there
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        gone.append(name)
if gone:
    sys.exit(f"cannot be planted: {', '.join(gone)}")
