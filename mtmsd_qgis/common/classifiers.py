"""The classifiers that map a scene, as the engine and the user call them."""

from __future__ import annotations

from qgis.PyQt.QtCore import QCoreApplication

MTMSD = "mtmsd"
STACK = "stack"


def classifier_names() -> dict[str, str]:
    """Return what the classifiers are called, by the engine's name for them."""
    translate = QCoreApplication.translate
    return {
        STACK: translate("MapOptions", "Stack of several"),
        MTMSD: translate("MapOptions", "MTMSD"),
        "svm": translate("MapOptions", "Support vector machine"),
        "svm-polygons": translate("MapOptions", "SVM, tuned by polygons"),
        "rf": translate("MapOptions", "Random forest"),
    }
