"""What a model file says of itself, as a card for people."""

from __future__ import annotations

from html import escape
from typing import Any

from qgis.PyQt.QtCore import QDateTime, QLocale

from ....common.classifiers import MTMSD, STACK, classifier_names
from ....common.numbers import number, percent
from ....common.translation import tr
from ....state.model_files import ModelFile
from ....state.model_header import CLASSIFIER


def method_of(metadata: dict[str, Any]) -> str:
    """Return what learned the classes, as the user calls it; or that nothing did."""
    if metadata.get("kind") != CLASSIFIER:
        return tr("Diffusion model")
    if "regions" in metadata:
        return tr("Regions with true edges")
    spectral = metadata.get("spectral") or {}
    kind = STACK if "stack" in metadata else spectral.get("method", MTMSD)
    return classifier_names().get(kind, str(kind))


def date_of(model: ModelFile) -> str:
    """Return when the file was written."""
    moment = QDateTime.fromSecsSinceEpoch(int(model.changed))
    return QLocale().toString(moment, QLocale.FormatType.ShortFormat)


def card(model: ModelFile) -> str:
    """Return the card as HTML: method, scene, bands, classes, accuracy."""
    metadata = model.metadata
    learned = metadata.get("metadata") or {}
    base = metadata.get("model") or metadata
    rows = [
        (tr("Method"), method_of(metadata)),
        (tr("Scene"), _scene(model.scene, base)),
        (tr("Bands"), _bands(base)),
        (tr("Classes"), _classes(metadata.get("classes") or [])),
        (tr("Training pixels"), number(learned["samples"]) if learned.get("samples") else ""),
        (tr("Accuracy"), _accuracy(learned.get("accuracy") or {})),
    ]
    cells = "".join(
        f"<tr><td><b>{escape(title)}</b>&nbsp;&nbsp;</td><td>{text}</td></tr>"
        for title, text in rows
        if text
    )
    return f"<p><b>{escape(model.path.name)}</b></p><table>{cells}</table>"


def _scene(name: str, base: dict[str, Any]) -> str:
    made = (base.get("scene") or {}).get("fingerprint") or {}
    if not made.get("width"):
        return escape(name)
    size = tr("{width} × {height} px").format(width=made["width"], height=made["height"])
    return f"{escape(name)} ({size})" if name else size


def _bands(base: dict[str, Any]) -> str:
    bands = base.get("bands") or []
    total = ((base.get("scene") or {}).get("fingerprint") or {}).get("bands")
    text = tr("{used} of {total}").format(used=len(bands), total=total or len(bands))
    waves = [wave for wave in base.get("wavelengths") or [] if wave is not None]
    if waves:
        text += f", {number(min(waves))}–{number(max(waves))} nm"
    return text if bands else ""


def _classes(classes: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"<span style='color:{escape(str(entry.get('color')))}'>■</span> {escape(entry['name'])}"
        for entry in classes
    )


def _accuracy(figures: dict[str, Any]) -> str:
    if figures.get("overall") is None:
        return ""
    text = tr("Overall accuracy {overall}, kappa {kappa}, on {n} reference pixels.").format(
        overall=percent(figures["overall"]),
        kappa=number(figures.get("kappa") or 0.0, 2),
        n=number(figures.get("n") or 0),
    )
    return escape(f"{text} {figures.get('split') or ''}".strip())
