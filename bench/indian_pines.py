"""Write Indian Pines, which the package tensorly carries, as a scene for bench/accuracy.

    pip install --no-deps tensorly
    python bench/indian_pines.py [FOLDER]

Without a folder it goes into bench/scenes, where `make bench-accuracy` finds it.

145×145 px, 200 bands without water absorption, 16 classes. Of the presets' numbers only the
high learning rate (classify/model_selection.py) was chosen on it.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import rasterio


def main(folder: Path) -> None:
    """Write indian_pines/cube.tif and truth.tif below a folder."""
    package = find_spec("tensorly")
    if package is None or package.origin is None:
        sys.exit("Indian Pines comes with the package tensorly: pip install --no-deps tensorly")
    data = Path(package.origin).parent / "datasets" / "data"
    cube = np.load(data / "Indian_pines_corrected.npy").transpose(2, 0, 1).astype("int16")
    truth = np.load(data / "Indian_pines_gt.npy")[None].astype("uint8")
    target = folder / "indian_pines"
    target.mkdir(parents=True, exist_ok=True)
    for name, values, nodata in (("cube.tif", cube, None), ("truth.tif", truth, 0)):
        count, height, width = values.shape
        with rasterio.open(
            target / name, "w", driver="GTiff", count=count, height=height, width=width,
            dtype=values.dtype, nodata=nodata,
        ) as file:  # fmt: skip
            file.write(values)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "scenes")
