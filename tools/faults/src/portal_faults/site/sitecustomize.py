"""Python runs this before anything else in a process whose PYTHONPATH names this folder: see planting.py."""  # noqa: INP001

import sys
import traceback

try:
    from portal_faults.planting import plant

    plant()
except Exception:  # noqa: BLE001 - Python would go on without the bug, and the test pass for no reason
    traceback.print_exc()
    sys.exit(1)
