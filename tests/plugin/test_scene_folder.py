"""The folder of a scene that lies on a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from qgis.core import QgsSettings

from mtmsd_qgis.common.folders import data_folder
from mtmsd_qgis.state import scene_folder


@pytest.mark.parametrize("scene", ["/vsicurl/https://h.org/a/x.tif?token=1", "/vsis3/b/x.tif"])
def test_what_is_made_for_a_scene_on_a_server_is_kept_on_this_machine(tmp_path: Path, scene: str):
    own = scene_folder.make(scene, "")
    assert own.parent == data_folder() / "scenes"
    assert not Path("/vsicurl").exists()
    assert not Path("/vsis3").exists()
    QgsSettings().remove(scene_folder.SCENES_SETTING)
    assert scene_folder.make(scene, str(tmp_path)) == tmp_path / "x_mtmsd"
