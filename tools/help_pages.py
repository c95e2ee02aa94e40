#!/usr/bin/env python3
"""Write ``resources/help/tutorial.html``, the page in QGIS, from ``docs/tutorial.md``.

The page has no pictures: whoever reads it has QGIS before them. Run by ``.env-engine/bin/python``
or ``.env-qgis/bin/python``. ``stamp`` writes into the first line of each translated page which
English one it is of, once it says the same; a test finds those that are behind.
"""

from __future__ import annotations

import hashlib
import re
import sys
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


def stamp_of(page: Path) -> str:
    """Return the first line of a translation of an English page."""
    return f"<!-- of {hashlib.sha256(page.read_bytes()).hexdigest()[:12]} -->\n"


def translations() -> dict[Path, Path]:
    """Return the English page of each translated one."""
    return {page: PAGE.parent / page.name for page in sorted(PAGE.parent.glob("*/*.html"))}


if __name__ == "__main__" and sys.argv[1:] == ["stamp"]:
    for own, english in translations().items():
        text = re.sub(r"\A<!-- of \w+ -->\n", "", own.read_text(encoding="utf-8"))
        own.write_text(stamp_of(english) + text, encoding="utf-8")
elif __name__ == "__main__":
    PAGE.write_text(tutorial(), encoding="utf-8")
