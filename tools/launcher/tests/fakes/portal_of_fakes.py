"""How is the real launcher run over stand-ins? `python portal_of_fakes.py PORT [--split]`."""

import sys

from portal_launcher import processes
from portal_launcher.faults import Fault
from portal_launcher.layout import layout_from_environment
from portal_launcher.progress import complain
from portal_launcher.services import Service
from portal_launcher.up import Options, up

SERVICES = (Service("back", mails=True), Service("front", calls=("back",), public=True))

if __name__ == "__main__":
    processes.PATIENCE = 1.0
    options = Options(int(sys.argv[1]), split="--split" in sys.argv, seed=False)
    try:
        sys.exit(up(options, layout_from_environment(), SERVICES))
    except Fault as fault:
        complain(str(fault))
        sys.exit(fault.code)
