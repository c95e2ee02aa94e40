"""The area-adjusted figures against the two worked examples that Olofsson et al. published."""

from __future__ import annotations

import numpy as np
import pytest
from mtmsd.assess.area_adjusted import area_adjusted

# Olofsson et al. 2014, table 8: deforestation, forest gain, stable forest, stable non-forest.
SAMPLE_2014 = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
PIXELS_2014 = np.array([200_000, 150_000, 3_200_000, 6_450_000])
PIXEL_HA = 0.09  # Landsat, 30 m


def test_published_example_of_2014() -> None:
    result = area_adjusted(SAMPLE_2014.T, PIXELS_2014)
    assert result.overall == pytest.approx(0.947, abs=5e-4)
    assert 1.96 * result.overall_se == pytest.approx(0.018, abs=5e-4)
    np.testing.assert_allclose(result.user, [0.88, 0.73, 0.93, 0.96], atol=5e-3)
    np.testing.assert_allclose(1.96 * result.user_se, [0.07, 0.10, 0.04, 0.02], atol=5e-3)
    np.testing.assert_allclose(result.producer, [0.75, 0.85, 0.93, 0.96], atol=5e-3)
    np.testing.assert_allclose(  # eq. 7, evaluated apart from this code
        1.96 * result.producer_se, [0.2133, 0.2544, 0.0343, 0.0184], atol=1e-4
    )
    hectares = PIXELS_2014.sum() * PIXEL_HA
    np.testing.assert_allclose(result.area * hectares, [21_158, 11_686, 285_770, 581_386], atol=1)
    np.testing.assert_allclose(
        1.96 * result.area_se * hectares, [6_158, 3_756, 15_510, 16_282], atol=1
    )


def test_published_example_of_2013() -> None:
    sample = np.array([[97, 0, 3], [3, 279, 18], [2, 1, 97]])
    result = area_adjusted(sample.T, [22_353, 1_122_543, 610_228])
    np.testing.assert_allclose(result.producer, [0.48, 0.99, 0.90], atol=5e-3)
    np.testing.assert_allclose(result.user, [0.97, 0.93, 0.97], atol=5e-3)
    np.testing.assert_allclose(result.area, [0.026, 0.598, 0.376], atol=6e-4)


def test_the_matrix_is_not_transposed() -> None:
    # All 100 pixels mapped as class 0 are class 1: the whole share of class 0 moves to class 1.
    result = area_adjusted([[0, 0], [100, 50]], [30, 70])
    np.testing.assert_allclose(result.area, [0.0, 1.0])
    np.testing.assert_allclose(result.user, [0.0, 1.0])
    assert result.overall == pytest.approx(0.7)


def test_a_mapped_class_without_sample_is_named_and_left_out() -> None:
    result = area_adjusted([[9, 1, 0], [1, 9, 0], [0, 0, 0]], [40, 40, 20])
    assert result.not_sampled == (2,)
    np.testing.assert_allclose(result.area, [0.5, 0.5, 0.0])
    assert np.isnan(result.user[2])
    assert result.overall == pytest.approx(0.9)


def test_simulated_strata_agree_with_the_standard_errors() -> None:
    generator = np.random.default_rng(0)
    truth = np.array([[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.0, 0.2, 0.8]])  # P(ref | map)
    pixels = np.array([1000, 3000, 6000])
    runs = []
    for _ in range(1500):
        sample = np.stack([generator.multinomial(60, row) for row in truth])
        runs.append(area_adjusted(sample.T, pixels))
    for name in ("overall", "area", "producer"):
        spread = np.std([getattr(run, name) for run in runs], axis=0)
        stated = np.mean([getattr(run, f"{name}_se") for run in runs], axis=0)
        np.testing.assert_allclose(stated, spread, rtol=0.08)
    np.testing.assert_allclose(
        np.mean([run.area for run in runs], axis=0), pixels @ truth / pixels.sum(), atol=3e-3
    )
