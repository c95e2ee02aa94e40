"""A finished map looked at, made anew in place, and its model taken for another scene."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import open_scene, pretrain, pretrain_settings, role
from osgeo import gdal
from screen import Screen
from test_drawing import add_class, rectangle, wait_polygons

POLYGONS = {
    "lake": (367300.0, 5806150.0, 367500.0, 5805950.0),
    "forest": (367095.0, 5805465.0, 367395.0, 5805225.0),
}
TINY = "width=32 iterations=8 batch_size=2 timesteps=100 channels=16 members=1 epochs=2"


def legend(screen: Screen) -> dict[str, list[str]]:
    return {line[1]: line[2:] for line in screen.ask("table", name="mtmsdLegend")}


def wait_preview(screen: Screen) -> dict:
    """Press Preview and wait until a preview of another file than before is shown."""
    before = (role(screen, "preview") or {}).get("source")
    screen.click("mtmsdPreview")

    def new() -> dict | None:
        now = role(screen, "preview")
        return now if now and now["source"] != before else None

    return screen.wait(new, 300, "no new preview")


@pytest.mark.slow
def test_a_preview_is_looked_at_and_replaced_in_place(start, sample: Path) -> None:
    screen = start()
    open_scene(screen, sample)
    for name, box in POLYGONS.items():
        add_class(screen, name)
        rectangle(screen, *box)
        wait_polygons(screen, name, 1)
    pretrain_settings(screen, TINY)
    pretrain(screen)
    first = wait_preview(screen)
    values = gdal.Open(first["source"]).ReadAsArray()
    screen.wait(lambda: legend(screen), 10, "no legend")
    for name, (pixels, area) in legend(screen).items():
        count = int(pixels.replace(",", ""))
        number = next(value for value, label, _ in first["classes"] if label == name)
        assert count == np.count_nonzero(values == number)
        hectares = count * 900 / 1e4
        assert area == (f"{hectares:,.1f} ha" if hectares < 1e3 else f"{hectares / 100:,.1f} km²")

    screen.click("mtmsdOpacity")
    screen.key("Home")
    screen.wait(lambda: role(screen, "preview")["opacity"] == 0, 5, "still opaque")
    screen.key(*["Page_Up"] * 5)
    screen.wait(lambda: 0.4 < role(screen, "preview")["opacity"] < 0.6, 5, "not half")
    screen.key("End")

    screen.click("mtmsdFlicker")
    seen = set()
    screen.wait(
        lambda: seen.add(role(screen, "preview")["visible"]) or len(seen) == 2, 6, "no flicker"
    )
    screen.click("mtmsdFlicker")
    time.sleep(1.0)
    assert role(screen, "preview")["visible"], "the map stays hidden after the flicker"

    # one more polygon: the same layer shows the new map
    before = len(screen.ask("layers"))
    screen.click_item("mtmsdClassTable", "forest")
    rectangle(screen, 367600, 5805600, 368200, 5805200)
    wait_polygons(screen, "forest", 2)
    second = wait_preview(screen)
    assert len(screen.ask("layers")) == before
    assert second["id"] == first["id"]
    screen.wait(lambda: not Path(first["source"]).exists(), 10, "the old preview's file stays")
    screen.shot("preview-again")


@pytest.mark.slow
def test_a_model_of_the_same_sensor_is_taken_and_another_refused(start, sample: Path) -> None:
    other = sample / "elsewhere.tif"
    shutil.copy(sample / "enmap_potsdam.tif", other)
    with_other_pixels = gdal.Open(str(other), gdal.GA_Update)
    for number in range(1, with_other_pixels.RasterCount + 1):
        band = with_other_pixels.GetRasterBand(number)
        values = band.ReadAsArray()
        good = values != band.GetNoDataValue()
        band.WriteArray(np.where(good, values // 2 + 7, values))
    with_other_pixels = None

    screen = start()
    open_scene(screen, sample)
    pretrain_settings(screen, TINY)
    pretrain(screen)
    model = next((sample / "enmap_potsdam_mtmsd").glob("model_*.safetensors"))
    screen.click("mtmsdSceneOpen")
    screen.type_path(other)
    screen.wait_text("mtmsdSceneState", "160 × 192 px, 218 bands", 40)
    screen.wait_text("mtmsdPretrainingState", "No model yet", 10)

    (sample / "not_a_model.safetensors").write_bytes(b"0123456789")
    screen.click("mtmsdModelChoose")
    screen.type_path(sample / "not_a_model.safetensors")
    screen.wait_said("is not a model of MTMSD")
    screen.click("mtmsdModelChoose")
    screen.type_path(model)
    screen.wait_text("mtmsdPretrainingState", f"Model: {model.name}", 20)
    screen.wait_said("another scene of the same sensor")
