"""The user's language."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QCoreApplication, QTranslator

from .folders import RESOURCES

TRADITIONAL = ("zh_TW", "zh_HK", "zh_MO", "zh_Hant")
"""Chinese that is written otherwise than the translation."""


def tr(text: str, disambiguation: str = "", n: int = -1) -> str:
    """Return the text in the user's language; ``n`` is the number for ``%n``.

    A class that others are derived from uses it too: Qt's own ``tr`` goes by the object's class.
    """
    return QCoreApplication.translate("MTMSD", text, disambiguation, n)


def later(text: str) -> str:
    """Return the text as it is, now known to translators; :func:`translated` is for later.

    For the tables of modules, which are read before QGIS's language is known.
    """
    return text


def translated(text: str) -> str:
    """Return a text that went through :func:`later` in the user's language."""
    return QCoreApplication.translate("MTMSD", text)


def language() -> str:
    """Return the two letters of QGIS's language; en where it is written otherwise than ours."""
    locale = QgsApplication.locale().replace("-", "_")
    return "en" if locale.startswith(TRADITIONAL) else locale[:2]


def help_page(name: str) -> Path:
    """Return the path of a help page, in the user's language where there is one."""
    translation = RESOURCES / "help" / language() / f"{name}.html"
    return translation if translation.is_file() else RESOURCES / "help" / f"{name}.html"


def install_translator() -> QTranslator | None:
    """Install and return the translator of QGIS's language; None where there is none."""
    translator = QTranslator()
    if not translator.load(str(RESOURCES / "i18n" / f"mtmsd_{language()}.qm")):
        return None
    QCoreApplication.installTranslator(translator)
    return translator
