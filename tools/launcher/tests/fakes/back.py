"""What does the launcher see of a service that another one calls? The same stand-in under another name."""

import os
import sys

from front import main  # type: ignore[import-not-found]

if __name__ == "__main__":
    os.environ["FAKE_DIES"] = os.environ.get("FAKE_BACK_DIES", "")
    main(sys.argv[1])
