"""What does `python -m portal_launcher` run?"""

from __future__ import annotations

import sys

from portal_launcher.cli import main

sys.exit(main())
