"""Are all strings translated into all languages, and fit to be shown."""

from __future__ import annotations

import ast
import re
import shutil
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import translations
from PyQt6.lupdate import python_source

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "mtmsd_qgis"
LANGUAGES = sorted(translations.FORMS)
PLACEHOLDER = re.compile(r"\{[^}]*\}|%L?n|%L?\d|</?\w+>|\*\.\w+")
MNEMONIC = re.compile(r"&([^\s&])")


def messages(language: str, folder: Path = translations.FOLDER) -> list[tuple[str, ET.Element]]:
    """Return the context and the element of each message."""
    root = translations.read(folder / f"mtmsd_{language}.ts")
    return [
        (context.findtext("name"), message)
        for context in root.iter("context")
        for message in context.iter("message")
    ]


def forms(message: ET.Element) -> list[str]:
    """Return the translation, or all its plural forms."""
    entry = translations.translation_of(message)
    return [form.text or "" for form in entry] if len(entry) else [entry.text or ""]


def key(context: str, message: ET.Element) -> tuple[str, str | None, str | None]:
    return context, message.findtext("source"), message.get("numerus")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_file_is_behind_the_sources(language, tmp_path):
    fresh = tmp_path / f"mtmsd_{language}.ts"
    shutil.copy(translations.FOLDER / fresh.name, fresh)
    translations.extract([fresh])
    kept = {key(*entry) for entry in messages(language)}
    assert kept == {key(*entry) for entry in messages(language, tmp_path)}, "run make translations"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_string_is_translated(language):
    for context, message in messages(language):
        place = (context, message.findtext("source"))
        assert "type" not in translations.translation_of(message).attrib, place
        expected = translations.FORMS[language] if message.get("numerus") else 1
        assert len(forms(message)) == expected, place
        assert all(forms(message)), place


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_are_kept(language):
    for _, message in messages(language):
        source = message.findtext("source")
        for form in filter(None, forms(message)):
            found = sorted(PLACEHOLDER.findall(form))
            assert found == sorted(PLACEHOLDER.findall(source)), (source, form)
            assert form.endswith("…") == source.endswith("…"), (source, form)


def windows() -> dict[str, set[str]]:
    """Return the texts with a mnemonic that are seen together, by the window they are in."""
    found = defaultdict(set)
    for file in sorted(PLUGIN.rglob("*.py")):
        window = file.stem
        room = file.relative_to(PLUGIN).parts[0]
        if room in ("gui", "jobs", "state") and file.parent.name != "engine":
            own = ("exit_blocker", "import_dialog", "models_dialog")
            window = window if window in own else "dock"
        elif window in ("setup_dialog", "plan_page", "progress_page"):
            window = "set-up"
        for context in python_source.PythonSource(filename=str(file), verbose=False).contexts:
            found[window] |= {m.source for m in context.messages if MNEMONIC.search(m.source)}
    return {window: texts for window, texts in found.items() if texts}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_letter_does_two_things_in_one_window(language, monkeypatch):
    monkeypatch.setattr(python_source, "Visitor", translations._Visitor)
    letter = {}
    for _, message in messages(language):
        match = MNEMONIC.search(forms(message)[0])
        letter[message.findtext("source")] = match.group(1).lower() if match else ""
    for window, texts in windows().items():
        for one, other in combinations(sorted(texts), 2):
            # states of one button share a letter in English, and may do so everywhere
            letters = [MNEMONIC.search(text).group(1).lower() for text in (one, other)]
            shared = letters[0] == letters[1]
            clash = letter[one] and letter[one] == letter[other] and not shared
            assert not clash, (window, one, other, letter[one])
        without = [text for text in texts if not letter[text]]
        assert len(without) <= 3, f"{window}: no letter for {without}"  # the alphabet has an end


def test_no_class_that_others_are_derived_from_uses_qts_own_tr():
    uses, bases = {}, set()
    for file in PLUGIN.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases |= {base.id for base in node.bases if isinstance(base, ast.Name)}
                text = ast.unparse(node)
                uses[node.name] = "self.tr(" in text or "cls.tr(" in text
    assert [name for name in sorted(bases) if uses.get(name)] == []


def literals(tree: ast.AST) -> list[tuple[int, str]]:
    """Return line and text of each literal that is neither a docstring nor given on as it should.

    Translated are the arguments of ``tr`` and ``later``; the set-up's log, and the ValueError that
    only code reads, stay English.
    """
    done: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            done.add(node.value)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("tr", "later", "translate", "_tell", "ValueError"):
                done.update(part for argument in node.args for part in ast.walk(argument))
        elif isinstance(node, ast.JoinedStr):
            done.update(node.values)
    found = []
    for node in ast.walk(tree):
        if node not in done and isinstance(node, ast.JoinedStr):
            found.append((node.lineno, re.sub(r"\{[^}]*\}", "{}", ast.unparse(node)[2:-1])))
        elif node not in done and isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append((node.lineno, node.value))
    return found


def test_no_sentence_that_users_see_is_left_in_english():
    left = [
        f"{file.relative_to(ROOT)}:{line}: {text}"
        for file in sorted(PLUGIN.rglob("*.py"))
        for line, text in literals(ast.parse(file.read_text(encoding="utf-8")))
        if re.search(r"\w+ \w+ .*[a-z)}][.!?]$", text)
    ]
    assert left == []


@pytest.mark.parametrize(
    "text", ['"The disk is full."', 'f"{folder} is not there."', '"a b" if x else "Not there now."']
)
def test_a_sentence_left_in_english_is_found(text):
    assert any(found.endswith(".") for _, found in literals(ast.parse(f"say({text})")))
    assert literals(ast.parse(f"tr({text})")) == []


@pytest.mark.parametrize("call", ["self.tr", "tr", "later"])
@pytest.mark.parametrize("text", ['f"a {1}"', "name", '"a" + name'])
def test_a_text_that_cannot_be_extracted_is_refused(text, call, tmp_path, monkeypatch):
    monkeypatch.setattr(python_source, "Visitor", translations._Visitor)
    file = tmp_path / "source.py"
    file.write_text(f"class A:\n    def b(self, name):\n        return {call}({text})\n")
    with pytest.raises(SystemExit, match="is not a literal text"):
        python_source.PythonSource(filename=str(file), verbose=False)


def test_strings_are_found_under_the_context_that_is_asked_for(tmp_path):
    texts = {(context, message.findtext("source")) for context, message in messages("de")}
    assert ("SceneSection", "No scene chosen") in texts, "self.tr in a class"
    assert ("MTMSD", "Classify a scene") in texts, "tr in a method"
    assert ("MTMSD", "Seed") in texts, "tr in a function"
    assert ("MTMSD", "The disk of {folder} is full.") in texts, "later in a table"
    assert ("duration", "{} days") in texts, "translate with a context"


def test_what_is_listed_and_filled_is_finished(tmp_path):
    file = tmp_path / "mtmsd_de.ts"
    translations.extract([file])
    root = translations.read(file)
    listed = translations.listed(root)
    assert listed["No scene chosen"] == ""
    assert listed["%Ln pixels"] == ["", ""]
    words = {"No scene chosen": "Keine Szene gewählt", "%Ln pixels": ["%Ln Pixel", "%Ln Pixel"]}
    assert translations.fill(root, words) == 2
    assert len(translations.listed(root)) == len(listed) - 2
    translations.write(file, root)
    translations.extract([file])
    assert len(translations.listed(translations.read(file))) == len(listed) - 2
