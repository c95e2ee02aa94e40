"""What was measured: a line a run, so that a broken bench resumes; then JSON and tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mtmsd.assess.accuracy import confusion, figures
from mtmsd.assess.calibration import reliability

from accuracy.rows import ROWS, Answer
from accuracy.scenes import CASES

Key = tuple[str, str, str, str, int]
"""Preset, scene, protocol, row, seed."""
FIGURES = ("overall", "average", "kappa", "ece", "seconds")


class Results:
    """The runs that are finished, in a file that only grows; two benches may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: dict[Key, dict[str, Any]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            run = json.loads(line)
            self.runs[tuple(run.pop("key"))] = run

    def add(self, key: Key, figures: Mapping[str, Any]) -> None:
        """Keep a run, on disk at once."""
        self.runs[key] = dict(figures)
        with self.path.open("a") as file:
            file.write(json.dumps({"key": key, **figures}) + "\n")

    def of(self, preset: str, seeds: Iterable[int]) -> dict[tuple[str, str, str], np.ndarray]:
        """Figures (seeds, 5) by scene, protocol and row."""
        wanted = set(seeds)
        found: dict[tuple[str, str, str], list[list[float]]] = {}
        for (made, scene, protocol, row, seed), run in self.runs.items():
            if made == preset and seed in wanted:
                values = [np.nan if run[f] is None else run[f] for f in FIGURES]
                found.setdefault((scene, protocol, row), []).append(values)
        return {key: np.array(values) for key, values in found.items()}


def score(truth: np.ndarray, answer: Answer, values: np.ndarray) -> dict[str, float | None]:
    """Overall and average accuracy, κ, expected calibration error; shares, None if unknown."""
    predicted, confidence = answer
    point = figures(confusion(truth, predicted, values))
    ece = None
    if confidence is not None:
        ece = reliability(confidence, predicted == truth).expected_error
    return {
        "overall": float(point.overall),
        "average": float(point.average),
        "kappa": float(point.kappa),
        "ece": ece,
    }


def tables(found: Mapping[tuple[str, str, str], np.ndarray]) -> Iterator[str]:
    """Yield Markdown tables: a table a protocol, a line a row, the mean over scenes last."""
    for protocol in dict.fromkeys(key[1] for key in found):
        scenes = [s for s in CASES if any(k[:2] == (s, protocol) for k in found)]
        rows = [r for r in ROWS if any(k[1:] == (protocol, r) for k in found)]
        yield f"\n**{protocol}**: OA / AA in %, mean over the seeds\n"
        titles = [CASES[s].title for s in scenes]
        yield f"| | {' | '.join(titles)} | mean OA / AA | ECE | seconds |"
        yield "|---" * (len(scenes) + 4) + "|"
        for row in rows:
            means = [
                found[key].mean(0) if (key := (s, protocol, row)) in found else None for s in scenes
            ]
            cells = ["" if m is None else f"{100 * m[0]:.1f} / {100 * m[1]:.1f}" for m in means]
            if all(m is not None for m in means):
                mean = np.mean([m for m in means if m is not None], 0)
                ece = "–" if np.isnan(mean[3]) else f"{mean[3]:.2f}"
                cells += [f"{100 * mean[0]:.1f} / {100 * mean[1]:.1f}", ece, f"{mean[4]:.1f}"]
            else:
                cells += ["", "", ""]
            yield f"| {ROWS[row].title} | {' | '.join(cells)} |"


def as_json(found: Mapping[tuple[str, str, str], np.ndarray]) -> list[dict[str, Any]]:
    """Return mean and standard deviation of every figure, JSON-able."""
    return [
        {
            "scene": scene,
            "protocol": protocol,
            "row": row,
            "seeds": len(values),
            **{
                name: None if np.isnan(mean) else {"mean": float(mean), "std": float(std)}
                for name, mean, std in zip(FIGURES, values.mean(0), values.std(0), strict=True)
            },
        }
        for (scene, protocol, row), values in found.items()
    ]
