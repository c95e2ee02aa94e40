"""Parameters that several algorithms have; their names and meaning never change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingException,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ..common.translation import tr

MODEL_FILTER = "MTMSD (*.safetensors)"
CLASSIFIER_FILTER = "MTMSD (*.safetensors *.onnx)"


def choice(
    name: str, title: str, names: dict[str, str], default: str
) -> QgsProcessingParameterEnum:
    """Declare a choice; ``names`` are what dialogs show for the values, which never change."""
    parameter = QgsProcessingParameterEnum(
        name, title, options=list(names), usesStaticStrings=True, defaultValue=default
    )
    widget = f"{__package__}.choice_widget.ChoiceWidget"  # loaded only by a dialog
    pairs = [list(pair) for pair in names.items()]
    parameter.setMetadata({"widget_wrapper": {"class": widget, "names": pairs}})
    return parameter


def advanced(parameter: QgsProcessingParameterDefinition) -> QgsProcessingParameterDefinition:
    """Move the parameter among the advanced ones, and return it."""
    flag = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    parameter.setFlags(parameter.flags() | flag)
    return parameter


def with_help(
    parameter: QgsProcessingParameterDefinition, text: str
) -> QgsProcessingParameterDefinition:
    """Set the parameter's help, and return it."""
    parameter.setHelp(text)
    return parameter


def scene(name: str = "INPUT", optional: bool = False) -> QgsProcessingParameterRasterLayer:
    """Declare the hyperspectral raster."""
    parameter = QgsProcessingParameterRasterLayer(name, tr("Scene"), optional=optional)
    return with_help(
        parameter,
        tr(
            "The hyperspectral raster. Pixels without data and bad bands (marked in the file, "
            "constant, or empty) are left out by themselves."
        ),
    )


def labels(
    name: str, description: str, text: str, optional: bool = False
) -> QgsProcessingParameterMapLayer:
    """Declare polygons, or a label raster on the scene's grid."""
    types = [QgsProcessing.SourceType.TypeVectorPolygon, QgsProcessing.SourceType.TypeRaster]
    parameter = QgsProcessingParameterMapLayer(name, description, optional=optional, types=types)
    shape = tr(
        "A polygon layer in any CRS with a class field, a raster on the scene's grid with class "
        "numbers (0 = unlabelled), or the path of another program's training areas: SCP's .scpx, "
        "ENVI's regions of interest (.xml, .roi as text)."
    )
    return with_help(parameter, f"{text} {shape}")


def class_field() -> QgsProcessingParameterField:
    """Declare the field that holds the class.

    It names no parent, for that ends QGIS; the widget finds the labels' layer by itself.
    """
    parameter = QgsProcessingParameterField(
        "CLASS_FIELD",
        tr("Class field"),
        type=QgsProcessingParameterField.DataType.Any,
        optional=True,
    )
    widget = f"{__package__}.class_field_widget.ClassFieldWidget"  # loaded only by a dialog
    parameter.setMetadata({"widget_wrapper": {"class": widget}})
    return with_help(
        parameter,
        tr(
            "Class number or class name of each polygon; of a number the name is taken from a "
            "field such as class_name. Default: the field called class_id, class, or similar."
        ),
    )


def selected() -> QgsProcessingParameterDefinition:
    """Declare whether only the selected features are labels."""
    parameter = QgsProcessingParameterBoolean(
        "SELECTED", tr("Selected polygons only"), defaultValue=False
    )
    text = tr("Only the selected ones of the labels' polygons are read. Default: no, all.")
    return advanced(with_help(parameter, text))


def model(optional: bool = False) -> QgsProcessingParameterFile:
    """Declare a diffusion model that exists."""
    parameter = QgsProcessingParameterFile(
        "MODEL",
        tr("Diffusion model"),
        behavior=QgsProcessingParameterFile.Behavior.File,
        fileFilter=MODEL_FILTER,
        optional=optional,
    )
    text = tr("The .safetensors file that 'Pretrain on a scene' has written.")
    if optional:
        text += " " + tr("With it, pretraining is skipped. Default: none.")
    return with_help(parameter, text)


def preset() -> QgsProcessingParameterEnum:
    """Declare how long to learn."""
    names = {
        "quick": tr("Quick: a first look"),
        "balanced": tr("Balanced: good maps"),
        "paper": tr("Paper: as published, on a GPU"),
    }
    parameter = choice("PRESET", tr("Preset"), names, "balanced")
    return with_help(
        parameter,
        tr(
            "quick: about 3 minutes of pretraining on two CPU cores, for a first look. "
            "balanced (default): about 10 to 15 minutes, the map to keep. "
            "paper: the published network and length; needs a GPU."
        ),
    )


def device() -> QgsProcessingParameterDefinition:
    """Declare where the engine computes."""
    names = {
        "auto": tr("Automatic"),
        "cpu": tr("Processor (CPU)"),
        "cuda": tr("Graphics card (CUDA)"),
        **{f"cuda:{n}": tr("Graphics card {} (CUDA)").format(n + 1) for n in (1, 2, 3)},
        "mps": tr("Apple graphics (MPS)"),
    }
    parameter = choice("DEVICE", tr("Device"), names, "auto")
    text = tr("auto (default) takes a GPU that works, else the CPU.")
    return advanced(with_help(parameter, text))


def seed() -> QgsProcessingParameterDefinition:
    """Declare the start of the random numbers."""
    parameter = QgsProcessingParameterNumber(
        "SEED",
        tr("Seed"),
        type=QgsProcessingParameterNumber.Type.Integer,
        defaultValue=0,
        minValue=0,
        maxValue=2**31 - 1,
    )
    text = tr("The same seed on the same machine gives the same result. Default: 0.")
    return advanced(with_help(parameter, text))


def settings() -> QgsProcessingParameterDefinition:
    """Declare single numbers of the preset."""
    parameter = QgsProcessingParameterString(
        "SETTINGS", tr("Other settings"), optional=True, multiLine=False
    )
    text = tr(
        "Single numbers of the preset replaced, as KEY=VALUE with spaces between: "
        "'iterations=2000 members=5'; with the stack 'rare_classes=0.5' finds classes of few "
        "training pixels more often. Default: none."
    )
    return advanced(with_help(parameter, text))


def exclude() -> QgsProcessingParameterDefinition:
    """Declare bands that the user leaves out."""
    parameter = QgsProcessingParameterString("EXCLUDE", tr("Bands to leave out"), optional=True)
    text = tr(
        "Band numbers or wavelengths besides those that are left out by themselves: "
        "'1-5,130-135' or '1340-1460nm,1790-1960nm' (water vapour). Default: none."
    )
    return advanced(with_help(parameter, text))


def masks() -> tuple[QgsProcessingParameterDefinition, ...]:
    """Declare what is left out of the scene."""
    layers = QgsProcessingParameterMultipleLayers(
        "MASKS", tr("Masks"), QgsProcessing.SourceType.TypeMapLayer, optional=True
    )
    which = QgsProcessingParameterString(
        "MASK_CHOICE", tr("Bits or values of masks"), optional=True
    )
    product = QgsProcessingParameterBoolean(
        "PRODUCT_MASKS", tr("Masks of the product"), defaultValue=False
    )
    return (
        advanced(
            with_help(
                layers,
                tr(
                    "Clouds, shadow, water: pixels in their polygons (any CRS), or not 0 in their "
                    "rasters (on the scene's grid), are left out as if they had no data. "
                    "Default: none."
                ),
            )
        ),
        advanced(
            with_help(
                which,
                tr(
                    "What of a raster mask is meant: 'bits=10,11' of a bit mask, 'values=3,8,9' "
                    "of a class raster. Default: all but 0."
                ),
            )
        ),
        advanced(
            with_help(
                product,
                tr(
                    "Also the masks of clouds, shadow and cirrus that come with a scene of EnMAP, "
                    "EMIT or PRISMA. Default: no."
                ),
            )
        ),
    )


def parse_mask_choice(text: str | None) -> dict[str, str]:
    """Return the engine's arguments in ``bits=10,11`` or ``values=3,8``.

    Raises
    ------
    QgsProcessingException
        If it is neither.
    """
    if not (text or "").strip():
        return {}
    key, _, numbers = str(text).strip().partition("=")
    if key.strip() not in ("bits", "values") or not numbers.strip():
        raise QgsProcessingException(
            tr("'{text}' does not say what of a mask is meant; write bits=10,11 or values=3,8.")
            .format(text=text)
        )  # fmt: skip
    return {f"mask_{key.strip()}": numbers.strip()}


def resume() -> QgsProcessingParameterDefinition:
    """Declare whether to go on from a checkpoint."""
    parameter = QgsProcessingParameterBoolean("RESUME", tr("Resume"), defaultValue=False)
    text = tr(
        "Continue from the last checkpoint of a canceled or broken run with the same output file. "
        "Default: no."
    )
    return advanced(with_help(parameter, text))


def confidence() -> QgsProcessingParameterRasterDestination:
    """Declare how sure the classifier is."""
    parameter = QgsProcessingParameterRasterDestination(
        "CONFIDENCE", tr("Confidence"), optional=True, createByDefault=True
    )
    text = tr("GeoTIFF with the probability of the mapped class, 0 to 1.")
    return with_help(parameter, text)


def report(name: str, optional: bool = False) -> QgsProcessingParameterFileDestination:
    """Declare the accuracy report."""
    parameter = QgsProcessingParameterFileDestination(
        name, tr("Accuracy report"), fileFilter="HTML (*.html)", optional=optional
    )
    text = tr(
        "One HTML file with confusion matrix (rows: reference, columns: map), accuracies and, "
        "where they can be made, spectral baselines."
    )
    return with_help(parameter, text)


def parse_settings(text: str | None) -> dict[str, str]:
    """Return the pairs in ``KEY=VALUE KEY=VALUE …``; the engine knows which keys there are.

    Raises
    ------
    QgsProcessingException
        For a word that is not KEY=VALUE.
    """
    pairs: dict[str, str] = {}
    for word in (text or "").replace(";", " ").split():
        key, equals, value = word.partition("=")
        if not (key and equals and value):
            raise QgsProcessingException(
                tr("'{word}' in Other settings is not of the form KEY=VALUE.").format(word=word)
            )
        pairs[key] = value
    return pairs


def check_is_geotiff(destination: Any) -> None:
    """Refuse a raster to write that is no GeoTIFF by its name.

    Raises
    ------
    QgsProcessingException
        With the name.
    """
    _check_suffix(
        destination,
        (".tif", ".tiff"),
        tr("'{path}' is not a GeoTIFF, the one format that is written; end it in .tif."),
    )


def check_is_geopackage(destination: Any) -> None:
    """Refuse a vector layer to write that is no GeoPackage by its name.

    Raises
    ------
    QgsProcessingException
        With the name.
    """
    _check_suffix(
        destination,
        (".gpkg",),
        tr("'{path}' is not a GeoPackage, the one format that is written; end it in .gpkg."),
    )


def _check_suffix(destination: Any, suffixes: tuple[str, ...], sentence: str) -> None:
    if isinstance(destination, QgsProcessingOutputLayerDefinition):
        destination = destination.sink.staticValue()
    if Path(str(destination or "")).suffix.lower() not in ("", *suffixes):
        raise QgsProcessingException(sentence.format(path=destination))


def without_none(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that were given; for the others the engine has its defaults."""
    return {name: value for name, value in arguments.items() if value not in (None, "")}
