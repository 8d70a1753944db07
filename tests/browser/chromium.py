"""Where this machine's Chromium is. `python -m tests.browser.chromium` says so, and fails where there is none."""

from __future__ import annotations

import os
import shutil
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

ABSENT = "no Chromium on this machine: install one, or name it with UPSIM_TEST_CHROMIUM=PATH"


def path() -> str | None:
    """The browser's program: that of UPSIM_TEST_CHROMIUM, or the first on the path; None where there is none."""
    given = os.environ.get("UPSIM_TEST_CHROMIUM")
    if given is not None:
        return given or None
    return next((found for name in NAMES if (found := shutil.which(name))), None)


if __name__ == "__main__":
    if path() is None:
        print(f"The dashboard's browser tests were not run: {ABSENT}.", file=sys.stderr)
        sys.exit(1)
    print(path())
