"""``python -m mtmsd`` is the command ``mtmsd``."""

from __future__ import annotations

import sys

from mtmsd.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
