"""Results as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

GB = 1e9
_KINDS = {"full": "the full engine", "light": "the light engine: it classifies, without torch"}


def show_results(command: str, results: Mapping[str, Any], console: Console) -> None:
    """Print the results of a command."""
    _SHOW.get(command, _show_job)(results, console)


def _show_facts(rows: Mapping[str, Any], console: Console) -> None:
    """Two columns: what, and its value, never cut; a missing value leaves its row out."""
    shown = {name: value for name, value in rows.items() if value is not None}
    width = max(map(len, shown), default=0) + 2
    for name, value in shown.items():
        console.print(
            f"[bold]{name:<{width}}[/]{escape(str(value))}", soft_wrap=True, highlight=False
        )


def _show_info(results: Mapping[str, Any], console: Console) -> None:
    span = results["wavelength_range"]
    x, y = results["pixel_size"]
    _show_facts(
        {
            "Raster": results["path"],
            "Format": f"{results['driver']}, {results['dtype']}",
            "Size": f"{results['width']} × {results['height']} px",
            "Bands": f"{results['used']} of {results['bands']} used",
            "Wavelengths": f"{span[0]:.0f} to {span[1]:.0f} nm" if span else "unknown",
            "Pixel": f"{x:g} × {y:g}" if results["georeferenced"] else "no georeference",
            "CRS": results["crs"] or "none",
            "No data": f"{'' if results['nodata_exact'] else 'about '}"
            f"{results['nodata_share']:.1%} of the pixels",
        },
        console,
    )
    if results["left_out"]:
        table = Table("Band", "nm", "Why it is left out", title="Bands left out")
        for band in results["left_out"]:
            wavelength = band["wavelength"]
            nanometres = "" if wavelength is None else f"{wavelength:.1f}"
            table.add_row(str(band["band"]), nanometres, escape(band["reason"]))
        console.print(table)


def _show_doctor(results: Mapping[str, Any], console: Console) -> None:
    memory = results["memory"]
    _show_facts(
        {
            "mtmsd": f"{results['mtmsd']}, {_KINDS[results['kind']]}",
            "Python": f"{results['python']}, {results['interpreter']}",
            "System": f"{results['system']}, {results['cpus']} CPUs",
            "Memory": f"{memory['free_bytes'] / GB:.1f} of {memory['total_bytes'] / GB:.1f} GB "
            "free",
            "Packages": ", ".join(f"{n} {v}" for n, v in results["packages"].items() if v),
            f"{results['runtime']} loads in": f"{results['runtime_loads_in_s']:.1f} s",
        },
        console,
    )
    table = Table("Device", "What", "Works", "Free", "1024² product", title="Devices")
    for row in results["devices"]:
        free, seconds = row.get("free_bytes"), row.get("seconds")
        table.add_row(
            row["name"],
            escape(row["kind"]),
            "yes" if row["ok"] else f"no: {escape(row['error'])}",
            "" if free is None else f"{free / GB:.1f} GB",
            "" if seconds is None else f"{1000 * seconds:.1f} ms",
        )
    console.print(table)


def _show_angles(results: Mapping[str, Any], console: Console) -> None:
    _show_facts({"Angles": results["angle"]}, console)
    table = Table("Band", "Spectrum", "Least", "Mean", title="Spectral angle, radians")
    for band, found in enumerate(results["spectra"], 1):
        numbers = ("" if n is None else f"{n:.3f}" for n in (found["least"], found["mean"]))
        table.add_row(str(band), escape(found["name"]), *numbers)
    console.print(table)


def _show_job(results: Mapping[str, Any], console: Console) -> None:
    """Print the files of any other command, its map's classes, and its accuracy."""
    files = {k: v for k, v in results.items() if isinstance(v, (str, PathLike))}
    seconds = results.get("seconds")
    if isinstance(seconds, Mapping):
        seconds = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    elif seconds is not None:
        seconds = f"{seconds:.1f} s"
    rows = {name.replace("_", " ").capitalize(): path for name, path in files.items()}
    _show_facts(rows | {"Time": seconds}, console)
    if isinstance(results.get("pixels"), Mapping):
        _show_classes(results["pixels"], console)
    if results.get("accuracy"):
        _show_accuracy(results["accuracy"], console)


def _show_classes(pixels: Mapping[str, int], console: Console) -> None:
    mapped = max(sum(pixels.values()), 1)
    table = Table("Class", "Pixels", "Share", title="The map")
    for name, count in pixels.items():
        table.add_row(escape(name), f"{count:,}", _percent(count / mapped))
    console.print(table)


def _show_accuracy(accuracy: Mapping[str, Any], console: Console) -> None:
    title = f"Accuracy on {accuracy['n']:,} reference pixels"
    table = Table("Classifier", "Overall", "Average", "Kappa", title=title)
    rows = [{**accuracy, "title": "This one"}, *accuracy["baselines"]]
    for row in rows:
        table.add_row(
            escape(row.get("title") or row["name"]),
            _percent(row["overall"]),
            _percent(row["average"]),
            "" if row["kappa"] is None else f"{row['kappa']:.3f}",
        )
    console.print(table)
    _show_scenes(accuracy.get("scenes") or [], console)
    console.print(escape(accuracy["verdict"]), soft_wrap=True)


def _show_scenes(scenes: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print how good each of several scenes is, and would be without its labels."""
    if not scenes:
        return
    title = "Scene by scene; the last two without any of its labels"
    table = Table("Scene", "Overall", "Average", "Unseen: overall", "Average", title=title)
    for scene in scenes:
        other = scene["left_out"] or {"overall": None, "average": None}
        figures = (scene["overall"], scene["average"], other["overall"], other["average"])
        table.add_row(escape(scene["name"]), *(_percent(share) for share in figures))
    console.print(table)


def _show_change(results: Mapping[str, Any], console: Console) -> None:
    _show_facts({"Map": results["map"], "Table": results["table"]}, console)
    unit = results["unit"]
    table = Table("From", "To", "Pixels", f"Estimated {unit}", "Standard error", title="The change")
    for row in results["transitions"]:
        table.add_row(
            escape(row["from_name"]),
            escape(row["to_name"]),
            f"{row['pixels']:,}",
            *("" if row[k] is None else f"{row[k]:,.2f}" for k in ("adjusted", "standard_error")),
        )
    console.print(table)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


_SHOW: dict[str, Callable[[Mapping[str, Any], Console], None]] = {
    "info": _show_info,
    "doctor": _show_doctor,
    "assess": _show_accuracy,
    "change": _show_change,
    "angle": _show_angles,
}
