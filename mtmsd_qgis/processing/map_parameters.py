"""Parameters of training and mapping: the classifier, what is held out, layers, filters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from ..common.classifiers import classifier_names
from ..common.translation import tr
from .parameters import advanced, choice, with_help

LAYERS = ("PROBABILITIES", "ENTROPY", "DISAGREEMENT")
LIBRARY = ("LIBRARY", "LIBRARY_CLASS", "LIBRARY_CLASSES", "LIBRARY_FACTOR")
FILTERS = ("UNKNOWN_BELOW", "MAJORITY", "SIEVE")


def classifier_kind() -> QgsProcessingParameterDefinition:
    """Declare what learns the classes."""
    auto = {"auto": tr("Automatic: the stack, with the preset paper MTMSD alone")}
    parameter = choice("CLASSIFIER", tr("Classifier"), auto | classifier_names(), "auto")
    return with_help(
        parameter,
        tr(
            "auto (default): stack; with the preset paper, mtmsd. stack: several simple "
            "classifiers, and the diffusion network where there is a model, weighed by polygons "
            "that were left out; without a model it takes seconds. mtmsd: the network alone. Or "
            "one of plain spectra: svm (support vector machine), svm-polygons (the same, tuned "
            "over whole polygons), rf (random forest). The accuracy report says when one of them "
            "is better."
        ),
    )


def libraries() -> list[QgsProcessingParameterDefinition]:
    """Declare spectra that train beside the polygons; their names are those of :data:`LIBRARY`."""
    file = QgsProcessingParameterFile("LIBRARY", tr("Spectral library"), optional=True)
    name = QgsProcessingParameterString(
        "LIBRARY_CLASS", tr("Class of the library's spectra"), optional=True
    )
    table = QgsProcessingParameterFile(
        "LIBRARY_CLASSES",
        tr("Table of the library's classes"),
        fileFilter="CSV (*.csv)",
        optional=True,
    )
    factor = _number("LIBRARY_FACTOR", tr("Factor of the library's values"), None, 0.0, 1e9)
    texts = {
        file: tr(
            "Its spectra train beside the polygons, resampled to the scene's bands, and may make "
            "a class that has no polygon; not for the classifier 'mtmsd'. ENVI (.sli), CSV, text "
            "of the USGS or of ECOSTRESS, ASD (.asd). Default: none."
        ),
        name: tr("One class for all of its spectra. Default: each spectrum's name is its class."),
        table: tr(
            "CSV with the columns name and class, and if wanted value and color: the class of "
            "each spectrum; spectra that it does not name are left out. Default: none."
        ),
        factor: tr(
            "What its values are multiplied by to have the scene's units. Default: told by its "
            "numbers (0 to 1, percent, times 10,000); the log says which."
        ),
    }
    return [advanced(with_help(parameter, text)) for parameter, text in texts.items()]


def check_library(parameters: dict[str, Any]) -> None:
    """Refuse words about a library that is not there.

    Raises
    ------
    QgsProcessingException
    """
    alone = [name for name in LIBRARY[1:] if parameters.get(name)]
    if alone and not parameters.get(LIBRARY[0]):
        text = tr("{parameter} is given, and no spectral library; choose one, or leave it out.")
        raise QgsProcessingException(text.format(parameter=alone[0]))


def library_arguments(
    algorithm: QgsProcessingAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext
) -> dict[str, Any]:
    """Return the engine's arguments about libraries."""
    file = algorithm.parameterAsFile(parameters, "LIBRARY", context)
    if not file:
        return {}
    name = algorithm.parameterAsString(parameters, "LIBRARY_CLASS", context).strip()
    return {
        "library": [f"{Path(file).absolute()}:{name}" if name else str(Path(file).absolute())],
        "library_classes": algorithm.parameterAsFile(parameters, "LIBRARY_CLASSES", context),
        "library_factor": parameters.get("LIBRARY_FACTOR"),
    }


def held_out() -> list[QgsProcessingParameterDefinition]:
    """Declare how labels are held out for the accuracy figures."""
    names = {
        "auto": tr("Automatic"),
        "polygons": tr("Whole polygons"),
        "cross": tr("Spatial cross-validation"),
        "random": tr("Single pixels (optimistic)"),
    }
    split = choice("SPLIT", tr("How polygons are held out"), names, "auto")
    share = _number("HOLDOUT", tr("Share held out"), 0.25, 0.0, 0.9)
    guard = _number("GUARD", tr("Guard distance in pixels"), 0, 0, 10_000, whole=True)
    return [
        advanced(
            with_help(
                split,
                tr(
                    "polygons: whole ones. cross: spatial cross-validation, each polygon tested "
                    "once. auto (default): cross where most classes have fewer than 4 polygons, "
                    "else polygons. random: single pixels, whose figures are optimistic because "
                    "they lie beside training pixels."
                ),
            )
        ),
        advanced(
            with_help(
                share,
                tr(
                    "Share of each class that is held out, 0 to 0.9. With 0 no accuracy is told "
                    "and the confidence is not calibrated. Default: 0.25."
                ),
            )
        ),
        advanced(
            with_help(
                guard,
                tr("Training pixels nearer than this to a held-out one are left out. Default: 0."),
            )
        ),
    ]


def filters() -> list[QgsProcessingParameterDefinition]:
    """Declare what is done to the map after the classifier."""
    unknown = _number("UNKNOWN_BELOW", tr("Unknown below a confidence of"), None, 0.01, 0.99)
    majority = _number("MAJORITY", tr("Majority filter, side in pixels"), None, 3, 99, whole=True)
    sieve = _number(
        "SIEVE", tr("Minimum mapping unit in pixels"), None, 2, 1_000_000_000, whole=True
    )
    texts = {
        unknown: tr(
            "Pixels of lower confidence, 0 to 1, get the class 255 'unknown'. Default: none."
        ),
        majority: tr(
            "Each pixel gets the most frequent class of a square of 3, 5, 7, … pixels around it; "
            "on a tie it keeps its own. Default: none."
        ),
        sieve: tr("Smaller regions join their largest neighbour. Default: all regions stay."),
    }
    return [advanced(with_help(parameter, text)) for parameter, text in texts.items()]


def layers() -> list[QgsProcessingParameterDefinition]:
    """Declare the rasters that are seldom wanted."""
    texts = {
        "PROBABILITIES": (
            tr("Class probabilities"),
            tr(
                "GeoTIFF with one band for each class, 0 to 1; four bytes a pixel and class. "
                "'Where to label next' needs it. Default: not written."
            ),
        ),
        "ENTROPY": (
            tr("Entropy"),
            tr("GeoTIFF: 0 where one class is certain, 1 where all are as likely. "
               "Default: not written."),
        ),
        "DISAGREEMENT": (
            tr("Disagreement"),
            tr("GeoTIFF: how far the members of the ensemble differ, 0 to 1; not for the simple "
               "classifiers. Default: not written."),
        ),
    }  # fmt: skip
    return [
        advanced(
            with_help(
                QgsProcessingParameterRasterDestination(
                    name, title, optional=True, createByDefault=False
                ),
                text,
            )
        )
        for name, (title, text) in texts.items()
    ]


def doubtful() -> QgsProcessingParameterDefinition:
    """Declare the layer of training polygons that disagree with their class."""
    output = QgsProcessingParameterVectorDestination(
        "DOUBTFUL",
        tr("Doubtful polygons"),
        type=QgsProcessing.SourceType.TypeVectorPolygon,
        optional=True,
        createByDefault=False,
    )
    return advanced(
        with_help(
            output,
            tr(
                "GeoPackage with the training polygons that the other polygons call another class: "
                "their class, the one that the map would give, and the share of their pixels that "
                "are called so. By the classifier 'stack' only. Default: not written."
            ),
        )
    )


def vectors() -> list[QgsProcessingParameterDefinition]:
    """Declare the vector layers that are made of a map."""
    described = (
        (
            "POLYGONS",
            tr("Polygons"),
            QgsProcessing.SourceType.TypeVectorPolygon,
            tr("GeoPackage with the map's regions, as by 'Turn a class map into polygons'. "
               "Default: not written."),
        ),
        (
            "NEXT_LABELS",
            tr("Points to label"),
            QgsProcessing.SourceType.TypeVectorPoint,
            tr("GeoPackage with 20 places worth a label next, as by 'Where to label next'. "
               "Default: not written."),
        ),
    )  # fmt: skip
    return [
        advanced(
            with_help(
                QgsProcessingParameterVectorDestination(
                    name, title, type=kind, optional=True, createByDefault=False
                ),
                text,
            )
        )
        for name, title, kind, text in described
    ]


def filter_arguments(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the filters that are wanted."""
    return {name.lower(): parameters.get(name) for name in FILTERS}


def _number(
    name: str,
    title: str,
    default: float | None,
    least: float,
    most: float,
    *,
    whole: bool = False,
) -> QgsProcessingParameterNumber:
    whole_number = QgsProcessingParameterNumber.Type.Integer
    return QgsProcessingParameterNumber(
        name,
        title,
        type=whole_number if whole else QgsProcessingParameterNumber.Type.Double,
        defaultValue=default,
        optional=default is None,
        minValue=least,
        maxValue=most,
    )
