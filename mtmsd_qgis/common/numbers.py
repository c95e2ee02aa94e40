"""Numbers for people, as the user's language writes them."""

from __future__ import annotations

from qgis.PyQt.QtCore import QCoreApplication, QLocale

NO_BREAK = "\N{NO-BREAK SPACE}"


def number(value: float, decimals: int = 0) -> str:
    """Return ``1,234`` or ``1.234`` or ``1 234``."""
    return QLocale().toString(float(value), "f", decimals)


def plain(value: float, digits: int = 6) -> str:
    """Return ``0.25`` or ``0,25``: as many decimals as there are, of so many digits."""
    return QLocale().toString(float(value), "g", digits)


def percent(share: float | None, decimals: int = 1) -> str:
    """Return a share of 1 as ``93.5 %``; a dash where it is not known."""
    if share is None:
        return "–"
    return f"{number(100 * share, decimals)}{NO_BREAK}%"


def duration(seconds: float) -> str:
    """Return a time: 40 s, 12 min, 3 h 20 min, 2 days."""
    translate = QCoreApplication.translate
    if seconds < 90:
        return translate("duration", "{} s").format(max(1, round(seconds)))
    minutes = round(seconds / 60)
    if minutes < 90:
        return translate("duration", "{} min").format(minutes)
    if minutes < 48 * 60:
        return translate("duration", "{} h {} min").format(minutes // 60, minutes % 60)
    return translate("duration", "{} days").format(round(minutes / 1440))
