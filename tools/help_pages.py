#!/usr/bin/env python3
"""Write ``resources/help/tutorial.html``, the page in QGIS, from ``docs/tutorial.md``.

The page has no pictures: whoever reads it has QGIS before them. Run by ``.env-engine/bin/python``
or ``.env-qgis/bin/python``.
"""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent
SOURCE, PAGE = ROOT / "docs/tutorial.md", ROOT / "resources/help/tutorial.html"
HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>MTMSD: tutorial</title><style>
body { max-width: 44em; margin: 2em auto; padding: 0 1em; font: 16px/1.5 sans-serif; color: #222; background: #fff }
h1 { font-size: 1.6em } h2 { font-size: 1.2em; margin-top: 1.6em } code { background: #eee; padding: 0 .2em }
</style></head><body>
"""  # noqa: E501


def tutorial() -> str:
    """Return the page."""
    text = re.sub(r"^!\[.*\n\n?", "", SOURCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return f"{HEAD}{MarkdownIt().render(text)}</body></html>\n"


if __name__ == "__main__":
    PAGE.write_text(tutorial(), encoding="utf-8")
