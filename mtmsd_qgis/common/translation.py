"""The user's language."""

from __future__ import annotations

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


def install_translator() -> QTranslator | None:
    """Install and return the translator of QGIS's language; None where there is none."""
    locale = QgsApplication.locale().replace("-", "_")
    translator = QTranslator()
    path = RESOURCES / "i18n" / f"mtmsd_{locale[:2]}.qm"
    if locale.startswith(TRADITIONAL) or not translator.load(str(path)):
        return None
    QCoreApplication.installTranslator(translator)
    return translator
