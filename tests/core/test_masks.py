"""Masks: clouds, shadow and water are left out, whatever file says where they are."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from affine import Affine
from mtmsd.cli.main import main
from mtmsd.commands import classify
from mtmsd.commands.arguments import Source
from mtmsd.commands.inputs import open_scene
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.errors import InputError
from mtmsd.labels.mask import MaskFile, parse_masks
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from rasterio.warp import transform_geom
from running import TINY, fields_scene, words
from shapely.geometry import mapping, shape
from small_files import GRID, UTM, cube, rectangle, write_polygons, write_raster
from test_products import write_emit, write_prisma

SIZE = (40, 48)


def flags(value: int = 1, dtype: str = "uint8", **profile) -> np.ndarray:
    """A cloud of 10 × 12 px in the corner, and a shadow of another value."""
    data = np.zeros(SIZE, dtype)
    data[:10, :12] = value
    return data


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return fields_scene(tmp_path)[0]


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    """A classifier of plain spectra, with its scene.tif beside it."""
    scene, labels = fields_scene(tmp_path)
    path = tmp_path / "c.safetensors"
    given = ["train", scene, labels, "-o", path, "--classifier", "svm", "--holdout", "0"]
    assert main(list(map(str, given))) == 0
    return path


def valid(scene: Path, *masks: str | MaskFile, bits: str = "", values: str = "") -> np.ndarray:
    """Where a scene has data with these masks."""
    given = parse_masks([str(m) for m in masks], bits, values)
    with Scene.open(scene, masks=given) as opened:
        return opened.read(0, 0, opened.height, opened.width)[1]


def expected(rows: slice = slice(0, 10), cols: slice = slice(0, 12)) -> np.ndarray:
    there = np.ones(SIZE, bool)
    there[rows, cols] = False
    return there


def test_a_raster_leaves_out_what_is_not_zero(scene: Path, tmp_path: Path):
    mask = write_raster(tmp_path / "clouds.tif", flags(3))
    assert np.array_equal(valid(scene, mask), expected())
    with Scene.open(scene, masks=parse_masks([str(mask)])) as opened:
        assert "The mask 'clouds.tif' leaves out 120 of 1920 pixels (6.2%)." in opened.warnings
        values, inside = opened.read(8, 10, 4, 4)
        assert np.array_equal(inside, expected()[8:12, 10:14])
        assert (values[:, ~inside] == 0).all()
        assert opened.summary()["masked"] == 120


def test_bits_and_values_say_what_of_a_raster_is_meant(scene: Path, tmp_path: Path):
    data = np.full(SIZE, 1 << 3, "uint16")  # a bit that means something else everywhere
    data[:10, :12] |= 1 << 10
    data[20:25, 5:9] |= 1 << 11
    mask = write_raster(tmp_path / "QA60.tif", data)
    clouds = expected()
    both = clouds & expected(slice(20, 25), slice(5, 9))
    assert np.array_equal(valid(scene, f"{mask}|bits=10"), clouds)
    assert np.array_equal(valid(scene, mask, bits="10,11"), both)
    assert np.array_equal(valid(scene, mask, values=str((1 << 3) | (1 << 10))), clouds)
    classes = write_raster(tmp_path / "SCL.tif", flags(9) + 4)
    with pytest.raises(InputError, match=r"No pixel of 'scene' is left.*all 1920"):
        valid(scene, classes)
    assert np.array_equal(valid(scene, f"{classes}|values=13"), clouds)


def test_the_band_of_a_mask_with_several_is_named(scene: Path, tmp_path: Path):
    data = np.stack([np.zeros(SIZE, "uint8"), flags()])
    mask = write_raster(tmp_path / "flags.tif", data, descriptions=["haze", "cloud"])
    with pytest.raises(InputError, match="has 2 bands: 1 haze, 2 cloud"):
        valid(scene, mask)
    with pytest.raises(InputError, match="has no band 3; it has 2"):
        valid(scene, f"{mask}|band=3")
    assert np.array_equal(valid(scene, f"{mask}|band=2"), expected())


def test_polygons_of_another_coordinate_system_leave_out_what_lies_in_them(
    scene: Path, tmp_path: Path
):
    outline = transform_geom(UTM, "EPSG:4326", mapping(rectangle(0, 0, 10, 12)))
    hole = transform_geom(UTM, "EPSG:4326", mapping(rectangle(20, 5, 5, 4)))
    mask = write_polygons(
        tmp_path / "clouds.gpkg", [shape(outline), shape(hole)], crs="EPSG:4326", kind=[1, 2]
    )
    assert np.array_equal(valid(scene, mask), expected() & expected(slice(20, 25), slice(5, 9)))
    with pytest.raises(InputError, match=r"'clouds.gpkg' is a vector layer: it has no bits"):
        valid(scene, mask, bits="1")
    other = write_raster(tmp_path / "QA60.tif", flags(1 << 5))
    both = expected() & expected(slice(20, 25), slice(5, 9))
    assert np.array_equal(valid(scene, mask, other, bits="5"), both)


def test_several_masks_are_counted_each_and_together(scene: Path, tmp_path: Path):
    clouds = write_raster(tmp_path / "clouds.tif", flags())
    shadow = np.zeros(SIZE, "uint8")
    shadow[5:12, :12] = 1
    masks = parse_masks([str(clouds), str(write_raster(tmp_path / "shadow.tif", shadow))])
    with Scene.open(scene, masks=masks) as opened:
        told = " ".join(opened.warnings)
    assert "'clouds.tif' leaves out 120 of" in told
    assert "'shadow.tif' leaves out 84 of" in told
    assert "Together the masks leave out 144 pixels." in told


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"transform": GRID @ Affine.translation(1, 0)}, "48×40 px of 10×-10 from (400010, "),
        ({"transform": GRID @ Affine.scale(2)}, "48×40 px of 20×-20 from"),
        ({"crs": "EPSG:32634"}, "EPSG:32634) is not on the grid of 'scene' (48×40 px of 10×-10"),
    ],
)
def test_a_mask_on_another_grid_is_refused_with_both_grids(
    scene: Path, tmp_path: Path, change: dict, sentence: str
):
    mask = write_raster(tmp_path / "clouds.tif", flags(), **change)
    with pytest.raises(InputError) as refused:
        valid(scene, mask)
    assert sentence in str(refused.value)
    assert (
        "is not on the grid of 'scene' (48×40 px of 10×-10 from (400000, 5800000), EPSG:32633)"
        in (str(refused.value))
    )
    small = write_raster(tmp_path / "small.tif", flags()[:39])
    with pytest.raises(InputError, match=r"'small.tif' \(48×39 px"):
        valid(scene, small)


def test_what_cannot_be_a_mask_is_one_sentence(scene: Path, tmp_path: Path):
    text = tmp_path / "clouds.txt"
    text.write_text("cloudy")
    numbers = write_raster(tmp_path / "float.tif", flags().astype("float32"))
    bytes_ = write_raster(tmp_path / "bytes.tif", flags())
    for given, sentence in (
        (tmp_path / "none.tif", "There is no mask '.*none.tif'"),
        (text, "'clouds.txt' is neither a raster nor a vector layer"),
        (f"{numbers}|bits=1", "type float32, which have no bits"),
        (f"{bytes_}|bits=10", "has no bit 10: its values have 8 bits"),
        (f"{bytes_}|bits=a", "'a' are no bits of a mask"),
        (f"{bytes_}|bits=1.5", "'1.5' is not among the bits"),
        ("product", "No masks of a product were found beside 'scene.tif'"),
    ):
        with pytest.raises(InputError, match=sentence):
            valid(scene, given)
    with pytest.raises(InputError, match="Bits or values of a mask are given, and no mask"):
        parse_masks([], bits="3")


def test_where_a_mask_has_no_data_the_scene_stays(scene: Path, tmp_path: Path):
    data = flags()
    data[30:] = 255
    assert np.array_equal(
        valid(scene, write_raster(tmp_path / "clouds.tif", data, nodata=255)), expected()
    )


def test_masks_that_leave_no_pixel_with_data_are_refused(tmp_path: Path):
    data = cube(6, *SIZE)
    data[:, 10:] = -9999
    scene = write_raster(tmp_path / "scene.tif", data, nodata=-9999)
    cover = np.zeros(SIZE, "uint8")
    cover[:10] = 1
    mask = write_raster(tmp_path / "clouds.tif", cover)
    with pytest.raises(InputError, match=r"No pixel of 'scene.tif' is left: those with data"):
        valid(scene, mask)


def test_the_masks_of_enmap_lie_beside_the_image(tmp_path: Path):
    prefix = "ENMAP01-____L2A-DT0000001_20220612T105735Z_028_V010303_20230922T131826Z-"
    scene = write_raster(tmp_path / f"{prefix}SPECTRAL_IMAGE.TIF", cube(6, *SIZE))
    shadow, cirrus = np.zeros(SIZE, "uint8"), np.zeros(SIZE, "uint8")
    shadow[20:25, 5:9], cirrus[35:, 40:] = 1, 3
    classes = np.ones(SIZE, "uint8")
    classes[:, 30:35] = 2
    for name, data in (("CLOUD", flags()), ("CLOUDSHADOW", shadow), ("CIRRUS", cirrus),
                       ("HAZE", np.ones(SIZE, "uint8")), ("CLASSES", classes)):  # fmt: skip
        write_raster(tmp_path / f"{prefix}QL_QUALITY_{name}.TIF", data)
    write_raster(tmp_path / "ENMAP01-other-QL_QUALITY_CLOUD.TIF", np.ones(SIZE, "uint8"))
    clear = (
        expected() & expected(slice(20, 25), slice(5, 9)) & expected(slice(35, 40), slice(40, 48))
    )
    assert np.array_equal(valid(scene, "product"), clear)
    water = tmp_path / f"{prefix}QL_QUALITY_CLASSES.TIF"
    assert np.array_equal(valid(scene, water), expected(slice(None), slice(30, 35)))
    with Scene.open(scene, masks=parse_masks([str(water)])) as opened:
        assert any("2 (water) is left out" in note for note in opened.warnings)


def test_the_mask_of_emit_is_laid_onto_the_map_grid(tmp_path: Path):
    scene = tmp_path / "EMIT_L2A_RFL_001_20220815T042838_2222703_003.nc"
    _, glt_x, glt_y = write_emit(scene)
    other = tmp_path / scene.name.replace("RFL", "MASK")
    write_emit(other, leave_out="reflectance")
    swath = np.zeros((20, 12, 8), "f4")
    swath[3:6, 4:7, 0], swath[10, 2:5, 4], swath[:, 8, 2] = 1, 1, 1  # clouds, border, water
    names = ["Cloud flag", "Cirrus flag", "Water flag", "Spacecraft Flag", "Dilated Cloud Flag",
             "AOD550", "H2O (g cm-2)", "Aggregate Flag"]  # fmt: skip
    with h5py.File(other, "a") as file:
        file["mask"] = swath
        file["sensor_band_parameters/mask_bands"] = np.array(names, "S")
    clear = valid(scene)
    for band, mask in (
        (swath[..., 0] + swath[..., 4], "product"),
        (swath[..., 2], f"{other}|band=3"),
    ):
        covered = (glt_x > 0) & (band[glt_y - 1, glt_x - 1] > 0)
        assert covered.any()
        assert np.array_equal(valid(scene, mask), clear & ~covered)


def test_errors_that_prisma_tells_leave_a_pixel_out(tmp_path: Path):
    scene = tmp_path / "PRS_L2D_STD_1.he5"
    write_prisma(scene)
    clear = valid(scene)
    with h5py.File(scene, "a") as file:
        fields = file["HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields"]
        errors = {"VNIR": np.zeros((9, 5, 7), "u1"), "SWIR": np.zeros((9, 4, 7), "u1")}
        errors["VNIR"][2, :, 3] = errors["SWIR"][2, :2, 3] = 1  # 7 of 9 bands
        errors["SWIR"][4, :, 3] = 1  # 4 of 9
        for region, data in errors.items():
            fields[f"{region}_PIXEL_L2_ERR_MATRIX"] = data
    left = valid(scene, "product")
    assert np.argwhere(clear & ~left).tolist() == [[2, 3]]


def test_the_fingerprint_and_the_sample_know_the_mask(scene: Path, tmp_path: Path):
    mask = write_raster(tmp_path / "clouds.tif", flags())
    moved = write_raster(tmp_path / "moved.tif", np.roll(flags(), 1, axis=1))
    prints, means = [], []
    for given in ([], [str(mask)], [str(moved)]):
        with Scene.open(scene, masks=parse_masks(given)) as opened:
            prints.append(opened.fingerprint())
            means.append(opened.mean_spectrum())
    assert "mask" not in prints[0]
    assert prints[1]["mask"] != prints[2]["mask"]
    assert {p["pixels"] for p in prints} == {prints[0]["pixels"]}
    with Scene.open(scene) as opened:
        values, _ = opened.read(0, 0, *SIZE)
    assert np.allclose(means[1], values[:, expected()].mean(axis=1), rtol=1e-5)


@pytest.mark.slow
def test_the_whole_way_leaves_masked_pixels_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    scene, labels = fields_scene(tmp_path)
    mask = write_raster(tmp_path / "clouds.tif", flags())
    out = tmp_path / "map.tif"
    given = ["map", scene, labels, "-o", out, "--classifier", "svm", "--report",
             tmp_path / "report.html", "--confidence", tmp_path / "sure.tif"]  # fmt: skip
    assert main([*map(str, given), "--mask", str(mask)]) == 0
    with rasterio.open(out) as dataset:
        assert np.array_equal(dataset.read(1) > 0, expected())
    with rasterio.open(tmp_path / "sure.tif") as dataset:
        assert np.array_equal(np.isfinite(dataset.read(1)), expected())
    said = " ".join(capfd.readouterr().err.split())
    assert "leaves out 120 of 1920 pixels" in said
    assert f"--mask {mask}" in (tmp_path / "report.html").read_text()
    assert "labelled pixels of 'labels.gpkg' lie where 'scene' has no data" in said


def test_blocks_of_a_map_with_another_mask_are_not_taken(classifier: Path, tmp_path: Path):
    scene, folders = tmp_path / "scene.tif", set()
    for data in (flags(), np.roll(flags(), 1, axis=1)):
        mask = write_raster(tmp_path / "clouds.tif", data)
        arguments = classify.Arguments(
            scene=Source(str(scene)),
            classifier=classifier,
            output=tmp_path / "map.tif",
            mask=[Source(str(mask))],
        )
        with open_scene(arguments.scene, "", Reporter(), arguments.masks()) as opened:
            folders.add(classify._block_store(tmp_path, arguments, opened).folder)
    assert len(folders) == 2


def test_a_mask_is_no_output(classifier: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    scene = tmp_path / "scene.tif"
    mask = write_raster(tmp_path / "clouds.tif", flags())
    before = mask.read_bytes()
    given = ["classify", scene, "-o", mask, "--classifier", classifier, "--mask", mask]
    assert main(list(map(str, given))) == 1
    assert "is also an input" in " ".join(capfd.readouterr().err.split())
    assert mask.read_bytes() == before


def test_pretraining_never_sees_what_is_masked(tmp_path: Path):
    scene, _ = fields_scene(tmp_path)
    with rasterio.open(scene, "r+") as dataset:
        data = dataset.read()
        data[:, :10, :12] = 30_000  # clouds, far brighter than all
        dataset.write(data)
    mask = write_raster(tmp_path / "clouds.tif", flags())
    with rasterio.open(scene) as dataset:
        clear = dataset.read()[:, expected()].mean(axis=1)
    model = tmp_path / "m.safetensors"
    settings = TINY | {"iterations": 2}
    given = ["pretrain", scene, "-o", model, "--mask", mask, *words(settings)]
    assert main(list(map(str, given))) == 0
    learnt = DiffusionModel.load(model)
    assert np.allclose(learnt.whitening.mean, clear, rtol=1e-3)
    assert learnt.metadata["scene"]["fingerprint"]["mask"]


def test_a_table_of_scenes_has_a_mask_for_each(classifier: Path, tmp_path: Path):
    write_raster(tmp_path / "clouds.tif", flags(1 << 2))
    table = tmp_path / "scenes.csv"
    table.write_text("scene,output,mask\nscene.tif,a.tif,clouds.tif|bits=2\nscene.tif,b.tif,\n")
    out = tmp_path / "maps"
    assert main(["classify", str(table), "-o", str(out), "--classifier", str(classifier)]) == 0
    with rasterio.open(out / "a.tif") as a, rasterio.open(out / "b.tif") as b:
        assert np.array_equal(a.read(1) > 0, expected())
        assert (b.read(1) > 0).all()
