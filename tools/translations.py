#!/usr/bin/env python3
"""Keep ``resources/i18n/mtmsd_*.ts`` in step with the strings of the plugin.

Run by ``.env-qt6/bin/python``: PyQt6 brings the extractor, pylupdate.

``update`` adds new strings and removes those that are gone. ``list LANGUAGE`` prints what is not
translated yet as JSON, ``{text: ""}``, or a list of empty texts, one a plural form;
``fill LANGUAGE FILE`` takes such a file back, translated. A text means the same everywhere.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PyQt6.lupdate import lupdate, python_source

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "resources/i18n"
FORMS = {"de": 2, "fr": 2, "es": 2, "pt": 2, "zh": 1}
"""How many plural forms Qt knows in each language."""
CONTEXT = "MTMSD"
"""The context of the functions ``tr`` and ``later``, in ``mtmsd_qgis/common/translation.py``."""


class _Visitor(python_source.Visitor):
    """Gives ``tr(…)`` and ``later(…)`` their context; refuses a text that cannot be extracted."""

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "later":
            node = ast.Call(ast.Name("tr"), node.args, node.keywords, lineno=node.lineno)
        super().visit_Call(node)

    def _parse_tr(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Name):
            node = ast.Call(node.func, [ast.Constant(CONTEXT), *node.args], node.keywords)
            found = self._parse_translate(node)
        else:
            found = super()._parse_tr(node)
        is_definition = isinstance(node.args[0], ast.Name) and node.args[0].id == "text"
        if found is None and not is_definition:
            sys.exit(f"{self._source.filename}: {ast.unparse(node)} is not a literal text.")
        return found


def extract(files: list[Path]) -> None:
    """Bring the files up to date with the sources."""
    python_source.Visitor = _Visitor
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
    sources = [str(path) for path in sorted((ROOT / "mtmsd_qgis").rglob("*.py"))]
    lupdate(sources, [str(file) for file in files], no_obsolete=True, no_summary=True)
    for file in files:
        language = file.stem.rpartition("_")[2]
        root = read(file)
        root.set("language", language)
        root.set("sourcelanguage", "en")
        _tidy(root, FORMS[language])
        write(file, root)


def _tidy(root: ET.Element, forms: int) -> None:
    """Drop the line numbers, give every plural its forms, and reuse what is translated."""
    for message in root.iter("message"):
        for location in message.findall("location"):
            message.remove(location)
        translation = translation_of(message)
        if message.get("numerus") and len(translation) != forms:
            translation[:] = [ET.Element("numerusform") for _ in range(forms)]
        if (translation.text or "").strip():  # pylupdate's, from the same text elsewhere
            translation.attrib.pop("type", None)


def read(file: Path) -> ET.Element:
    """Return what a ``.ts`` holds."""
    return ET.parse(file).getroot()  # noqa: S314  # our own


def translation_of(message: ET.Element) -> ET.Element:
    """Return the translation of a message, which may be empty."""
    return message.findall("translation")[0]


def write(file: Path, root: ET.Element) -> None:
    """Write a ``.ts`` as Qt Linguist does."""
    ET.indent(root, space="    ")
    text = ET.tostring(root, encoding="unicode")
    file.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n{text}\n', "utf-8")


def unfinished(root: ET.Element) -> Iterator[tuple[str, ET.Element]]:
    """Yield text and translation of what is not translated."""
    for message in root.iter("message"):
        translation = translation_of(message)
        if translation.get("type") == "unfinished":
            yield message.findtext("source", ""), translation


def listed(root: ET.Element) -> dict[str, str | list[str]]:
    """Return the texts without a translation."""
    return {text: ["" for _ in entry] if len(entry) else "" for text, entry in unfinished(root)}


def fill(root: ET.Element, words: dict[str, str | list[str]]) -> int:
    """Take translations; return how many entries got one."""
    count = 0
    for text, entry in unfinished(root):
        given = words.get(text)
        if not given:
            continue
        if len(entry):
            for form, word in zip(entry, given, strict=True):
                form.text = word
        else:
            entry.text = str(given)
        del entry.attrib["type"]
        count += 1
    return count


def main() -> None:
    """Run the command that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("update").add_argument("--folder", type=Path, default=FOLDER)
    for name in ("list", "fill"):
        commands.add_parser(name).add_argument("language", choices=FORMS)
    commands.choices["fill"].add_argument("file", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "update":
        extract([arguments.folder / f"mtmsd_{language}.ts" for language in FORMS])
        return
    file = FOLDER / f"mtmsd_{arguments.language}.ts"
    root = read(file)
    if arguments.command == "list":
        sys.stdout.write(json.dumps(listed(root), ensure_ascii=False, indent=1) + "\n")
        return
    count = fill(root, json.loads(arguments.file.read_text(encoding="utf-8")))
    write(file, root)
    sys.stdout.write(f"{count} taken, {len(listed(root))} left\n")


if __name__ == "__main__":
    main()
