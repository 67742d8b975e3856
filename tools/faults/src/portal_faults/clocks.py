"""How does one process get a wall clock that is wrong, or jumps, without knowing of it?

libfaketime, loaded before everything else, adds what stands in a file to the calendar's time and leaves the
monotonic clock alone, which timers and time-outs go by. The wheel is fetched once, for this purpose only: it
does not belong to the product.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from portal_launcher.layout import ROOT

VERSION: Final = "3.0.1"
_LIBRARY: Final = "libfaketime/vendor/libfaketime/src/libfaketime.so.1"
RIGHT: Final = "+0"


def library() -> Path | None:
    """Return the library, fetching it where it is not here yet; None where it cannot be had."""
    folder = ROOT / ".portal" / "deps" / f"libfaketime-{VERSION}"
    if not (folder / _LIBRARY).exists():
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps"]
        command += ["--target", str(folder), f"libfaketime=={VERSION}"]
        done = subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603 - a fixed command
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            return None
    return folder / _LIBRARY


class Clock:
    """The wall clock of one process."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def environment(self, preloaded: Path) -> Mapping[str, str]:
        """Return what the process must be started with."""
        self.set(RIGHT)
        return {
            "LD_PRELOAD": str(preloaded),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_CACHE_DURATION": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset: str) -> None:
        """Move it: `+1d` is a day ahead, `-1d` a day behind; it takes a second to be seen."""
        beside = self._file.with_suffix(".new")
        beside.write_text(offset)
        beside.replace(self._file)
