"""Accuracy from few polygons, on the scenes at hand, beside what simple tools reach.

    make bench-accuracy BENCH_OPTIONS="--scenes houston --protocols few3 --seeds choose"

Scenes that are in neither folder (MTMSD_SCENES, bench/scenes) are left out;
bench/indian_pines.py writes the one named pines. Each scene is pretrained once and kept in
bench/models; the seeds draw splits, estimators and ensembles. What is finished stays in
bench/accuracy.jsonl, so that a broken run resumes; remove the file to measure again. Tables go
to bench/accuracy.md and bench/accuracy.json.

The seeds 0 to 4 (``choose``) are for choosing settings, 100 to 104 (``report``) for the figures
that are told: a figure that is reported was not chosen on.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from mtmsd.settings import preset

from accuracy.protocols import PROTOCOLS
from accuracy.results import Results, as_json, score, tables
from accuracy.rows import ROWS, USUAL, SceneData
from accuracy.scenes import CASES, FOLDERS, HERE, at_hand

SEEDS = {"choose": range(5), "report": range(100, 105)}


def main() -> None:
    """Run what is chosen and not yet finished; print the tables and write all figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", nargs="+", choices=list(CASES), default=at_hand())
    parser.add_argument("--protocols", nargs="+", choices=list(PROTOCOLS), default=list(PROTOCOLS))
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=USUAL)
    parser.add_argument(
        "--seeds", nargs="+", default=["report"], help="choose, report, or single numbers"
    )
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    chosen = parser.parse_args()
    if not chosen.scenes:
        parser.error(f"none of the scenes is in {' or '.join(map(str, FOLDERS))}")
    settings = preset(chosen.preset, dict(pair.split("=", 1) for pair in chosen.set))
    name = " ".join([chosen.preset, *sorted(chosen.set)])
    seeds = [s for text in chosen.seeds for s in SEEDS.get(text) or [int(text)]]
    results = Results(HERE / "accuracy.jsonl")
    for scene in chosen.scenes:
        wanted = [
            (name, scene, protocol, row, seed)
            for protocol in chosen.protocols
            for seed in seeds
            for row in chosen.rows
        ]
        missing = [key for key in wanted if key not in results.runs]
        if not missing:
            continue
        data = SceneData(scene, settings)
        values = np.array([info.value for info in data.labels.classes])
        for key in missing:
            _, _, protocol, row, seed = key
            parts = PROTOCOLS[protocol](data.labels, CASES[scene].share, seed)
            data.prepare(row)
            start = time.perf_counter()
            answer = ROWS[row].answer(data, parts, seed)
            seconds = time.perf_counter() - start
            found = score(parts.labels.values[parts.test], answer, values)
            results.add(key, {**found, "seconds": seconds, "trained": len(parts.train)})
            print(
                f"{scene:8} {protocol:7} {seed:3} {row:16} OA {100 * found['overall']:5.1f}  "
                f"AA {100 * found['average']:5.1f}  {seconds:6.1f} s",
                flush=True,
            )
    told = results.of(name, seeds)
    text = "\n".join(tables(told)) + "\n"
    print(text)
    (HERE / "accuracy.md").write_text(text)
    (HERE / "accuracy.json").write_text(json.dumps(as_json(told), indent=1) + "\n")


if __name__ == "__main__":
    main()
