"""Accuracy figures, their intervals, and the verdict, against independent computations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mtmsd.assess.accuracy import (
    confusion,
    deviation,
    effective_number,
    figures,
    freedom_of_total,
    interval,
    mcnemar,
    resample_groups,
    share_interval,
)
from mtmsd.assess.baseline import Baseline
from mtmsd.assess.calibration import (
    calibrate,
    cross_tempered,
    fit_temperature,
    reliability,
    temper,
)
from mtmsd.assess.evaluation import evaluate
from mtmsd.assess.independence import also_in, training_pixels_in_patches
from mtmsd.classes import PALETTE, ClassInfo
from mtmsd.classify.ensemble import disagreement
from mtmsd.classify.uncertainty import normalized_entropy, tempered
from scipy import stats
from sklearn import metrics

CLASSES = [ClassInfo(2, "grass", "#00ff00"), ClassInfo(5, "roof", "#ff0000")]


def test_rows_are_the_reference_and_columns_the_map() -> None:
    matrix = confusion([1, 1, 1, 2], [1, 2, 2, 2], [1, 2])
    np.testing.assert_array_equal(matrix, [[1, 2], [0, 1]])


def test_figures_of_an_example_by_hand() -> None:
    result = figures([[50, 10], [5, 35]])
    assert result.overall == pytest.approx(0.85)
    assert result.average == pytest.approx((50 / 60 + 35 / 40) / 2)
    chance = (60 * 55 + 40 * 45) / 100**2
    assert result.kappa == pytest.approx((0.85 - chance) / (1 - chance))
    np.testing.assert_allclose(result.producer, [50 / 60, 35 / 40])
    np.testing.assert_allclose(result.user, [50 / 55, 35 / 45])
    np.testing.assert_allclose(result.iou, [50 / 65, 35 / 50])


def test_figures_agree_with_scikit_learn() -> None:
    generator = np.random.default_rng(3)
    truth = generator.integers(1, 6, 500)
    wrong = generator.random(500) < 0.4
    mapped = np.where(wrong, generator.integers(1, 6, 500), truth)
    result = figures(confusion(truth, mapped, np.arange(1, 6)))
    assert result.overall == pytest.approx(metrics.accuracy_score(truth, mapped))
    assert result.average == pytest.approx(metrics.balanced_accuracy_score(truth, mapped))
    assert result.kappa == pytest.approx(metrics.cohen_kappa_score(truth, mapped))
    producer = metrics.recall_score(truth, mapped, average=None)
    np.testing.assert_allclose(result.producer, producer)
    user = metrics.precision_score(truth, mapped, average=None)
    np.testing.assert_allclose(result.user, user)
    np.testing.assert_allclose(result.f1, metrics.f1_score(truth, mapped, average=None))
    np.testing.assert_allclose(result.iou, metrics.jaccard_score(truth, mapped, average=None))


def test_a_class_without_reference_does_not_lower_the_average() -> None:
    result = figures([[8, 0, 2], [0, 10, 0], [0, 0, 0]])
    assert result.average == pytest.approx(0.9)
    assert np.isnan(result.producer[2])
    assert result.user[2] == 0


def test_polygons_not_pixels_make_the_interval() -> None:
    # 40 polygons of 25 equal pixels: the standard error is that of 40 draws, not of 1000.
    generator = np.random.default_rng(0)
    right = generator.random(40) < 0.7
    counts = np.stack([25 * right, 25 * ~right], 1)
    drawn = resample_groups(counts, np.zeros(40, int), 1, repeats=4000, seed=1)
    overall = drawn[:, 0, 0] / drawn[:, 0].sum(1)
    p = right.mean()
    assert overall.mean() == pytest.approx(p, abs=5e-3)
    assert deviation(overall) == pytest.approx(np.sqrt(p * (1 - p) / 39), rel=0.05)
    half = stats.t.ppf(0.975, 39) * 0.07
    assert interval(p, 0.07, 39) == pytest.approx((p - half, p + half))


def test_the_bootstrap_s_error_is_that_of_the_textbook_for_few_polygons() -> None:
    """Stratified ratio, Cochran 1977 (6.44), against draws; n of n would give half of it at 2."""
    generator = np.random.default_rng(1)
    sizes = np.full(10, 20.0)
    right = generator.integers(5, 20, 10).astype(float)
    strata = np.repeat([0, 1, 2, 3], [2, 2, 3, 3])
    drawn = resample_groups(np.stack([right, sizes], 1), strata, 4, repeats=20_000, seed=0)
    shares = drawn[..., 0].sum(1) / drawn[..., 1].sum(1)
    variance = 0.0
    for stratum in range(4):
        members = right[strata == stratum]
        variance += len(members) * members.var(ddof=1) / sizes.sum() ** 2
    assert deviation(shares) == pytest.approx(np.sqrt(variance), rel=0.02)


def test_the_only_polygon_of_a_class_is_as_doubtful_as_its_distance_from_the_others() -> None:
    counts = np.array([[18.0, 20], [18, 20], [2, 20]])
    drawn = resample_groups(counts, [0, 0, 1], 2, repeats=20_000, seed=0).sum(1)
    away = (2 - 20 * 38 / 60) / 60
    shares = drawn[:, 0] / drawn[:, 1]
    assert deviation(shares) == pytest.approx(abs(away), rel=0.15), "to first order"


def test_an_interval_of_a_share_stays_within_0_and_1_and_widens_with_doubt() -> None:
    low, high = share_interval(0.9, 0.02, 60, 66)
    assert (low, high) == pytest.approx((0.9 - 2 * 0.02, 0.9 + 2 * 0.02), abs=0.01)
    all_right = share_interval(1.0, 0.0, 6, 12)
    assert all_right[1] == 1
    assert 0.5 < all_right[0] < 0.9, "12 polygons that are right do not prove 100 %"
    none = share_interval(0.0, 0.0, 6, 12)
    assert none == pytest.approx((0, 1 - all_right[0]))
    fewer = share_interval(0.9, 0.02, 1, 2)
    assert 0 < fewer[0] < low
    assert high < fewer[1] < 1


def test_degrees_of_freedom_are_fewer_where_one_class_makes_all_the_error() -> None:
    strata = np.repeat([0, 1, 2], 4)
    even = freedom_of_total([1, -1, 1, -1] * 3, strata)
    assert even == pytest.approx(9)
    assert freedom_of_total([5, -5, 5, -5, *[0] * 8], strata) == pytest.approx(3)
    assert freedom_of_total(np.zeros(12), strata) == 9
    assert freedom_of_total([2, 0, 0, 0, 0], [0, 1, 1, 2, 2]) == pytest.approx(1)


def test_effective_number_of_polygons() -> None:
    assert effective_number([7, 7, 7]) == pytest.approx(3)
    assert effective_number([100, 1, 1, 1]) == pytest.approx(103**2 / 10_003)
    assert effective_number([]) == 0


def _polygons(
    generator: np.random.Generator, classes: int, polygons: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw sizes and right pixels of two maps that are equally good, (classes, polygons).

    Accuracy differs by class (0.65 to 0.95) and by polygon (correlation of the pixels 0.3);
    where a polygon is hard for one map, it is rather hard for the other.
    """
    shape = (classes, polygons)
    sizes = generator.integers(15, 60, shape)
    mean = np.linspace(0.65, 0.95, classes)[:, None]
    shared, *own = generator.normal(size=(3, *shape))
    k = 1 / 0.3 - 1
    right = []
    for each in own:
        place = stats.norm.cdf(np.sqrt(0.6) * shared + np.sqrt(0.4) * each)
        chance = stats.beta.ppf(place, mean * k, (1 - mean) * k)
        right.append(generator.binomial(sizes, chance))
    return sizes, *right, mean.ravel()


@pytest.mark.parametrize(
    ("classes", "polygons", "decides"), [(6, 2, False), (6, 3, True), (2, 2, False), (6, 8, True)]
)
def test_equally_good_maps_are_seldom_called_better_and_intervals_hold(
    classes: int, polygons: int, decides: bool
) -> None:
    generator = np.random.default_rng(classes * 100 + polygons)
    infos = [ClassInfo(i + 1, f"c{i}", PALETTE[i]) for i in range(classes)]
    runs, false, covered = 200, 0, 0
    for run in range(runs):
        sizes, own, other, mean = _polygons(generator, classes, polygons)
        flat = sizes.ravel()
        groups = np.repeat(np.arange(flat.size), flat)
        reference = np.repeat(np.repeat(np.arange(classes) + 1, polygons), flat)
        within = np.arange(len(groups)) - np.repeat(np.cumsum(flat) - flat, flat)
        wrong = reference % classes + 1
        mapped, baseline = (
            np.where(within < np.repeat(right.ravel(), flat), reference, wrong)
            for right in (own, other)
        )
        svm = Baseline("svm", "machine", baseline.astype(np.uint16), 0.1)
        result = evaluate(reference, mapped, infos, [svm], groups=groups, seed=run)
        false += result["verdict"].startswith(("The map is better", "The map is worse"))
        assert ("too few" in result["verdict"]) != decides
        assert (result["baselines"][0]["difference_interval"] is not None) == decides
        low, high = result["intervals"]["overall"]
        covered += low <= mean.mean() <= high
    assert false <= 0.07 * runs
    assert covered >= 0.92 * runs
    assert covered < runs or not decides, "intervals that always hold say nothing"


def test_mcnemar_against_the_binomial_sum() -> None:
    first = np.repeat([True, True, False, False], [30, 2, 10, 5])
    second = np.repeat([True, False, True, False], [30, 2, 10, 5])
    result = mcnemar(first, second)
    assert (result.only_first, result.only_second) == (2, 10)
    assert result.p_value == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert mcnemar([True], [True]).p_value == 1


def _example(right_share: float, other_share: float, seed: int = 0) -> dict:
    """Evaluate 60 polygons of 10 pixels; map and baseline err in whole polygons."""
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(60), 10)
    reference = np.repeat(np.where(np.arange(60) % 2, 2, 5), 10)

    def mapped(share: float) -> np.ndarray:
        right = np.repeat(generator.random(60) < share, 10)
        return np.where(right, reference, 7 - reference)

    other = Baseline("svm", "support vector machine", mapped(other_share), 0.1)
    return evaluate(reference, mapped(right_share), CLASSES, [other], groups=groups)


@pytest.mark.parametrize(
    ("own", "other", "words"),
    [
        (0.95, 0.5, "The map is better than the spectral baseline: "),
        (0.5, 0.95, "The map is worse than the spectral baseline, so prefer the support vector"),
        (0.8, 0.8, "The map is neither clearly better nor clearly worse than"),
    ],
)
def test_the_verdict_tells_the_truth(own: float, other: float, words: str) -> None:
    result = _example(own, other)
    assert result["verdict"].startswith(words)
    assert f"{100 * result['overall']:.1f} % of the 600 reference pixels" in result["verdict"]
    low, high = result["baselines"][0]["difference_interval"]
    assert low <= result["baselines"][0]["difference"] <= high


def test_one_polygon_per_class_gives_no_interval_and_says_so() -> None:
    reference, mapped = np.repeat([2, 5], 50), np.repeat([2, 5, 2], [50, 40, 10])
    other = Baseline("rf", "random forest", np.full(100, 2, np.uint16), 0.1)
    result = evaluate(reference, mapped, CLASSES, [other], groups=reference)
    assert result["intervals"]["overall"] is None
    assert "too few to tell" in result["verdict"]
    assert result["warnings"] == ["Only one reference polygon, so no interval for grass, roof."]


def test_a_map_class_nobody_named_counts_as_wrong() -> None:
    result = evaluate([2, 2, 5, 5], [2, 9, 5, 5], CLASSES)
    assert result["overall"] == 0.75
    assert [c["name"] for c in result["classes"]] == ["grass", "roof", "class 9"]
    assert result["classes"][2]["producer"] is None
    assert result["warnings"] == ["No reference pixels, so not evaluated: class 9."]


def test_a_baseline_s_pixels_of_another_class_are_not_forgotten() -> None:
    other = Baseline("rf", "random forest", np.array([2, 9, 5, 5], np.uint16), 0.1)
    result = evaluate([2, 2, 5, 5], [2, 2, 5, 5], CLASSES, [other])
    assert result["baselines"][0]["overall"] == 0.75
    assert result["baselines"][0]["difference"] == 0.25


def test_temperature_undoes_overconfidence() -> None:
    generator = np.random.default_rng(0)
    honest = generator.dirichlet([1, 1, 1], 20_000)
    truth = (generator.random(20_000)[:, None] > honest.cumsum(1)).sum(1)
    boastful = temper(honest, 1 / 3)
    temperature = fit_temperature(boastful, truth)
    assert temperature == pytest.approx(3, rel=0.05)
    np.testing.assert_array_equal(boastful.argmax(1), honest.argmax(1))

    def error(probabilities: np.ndarray) -> float:
        right = probabilities.argmax(1) == truth
        return reliability(probabilities.max(1), right).expected_error

    assert error(boastful) > 0.1
    assert error(temper(boastful, temperature)) < 0.01


def test_expected_calibration_error_by_hand() -> None:
    # Bin 0.9-1: 4 pixels, 0.95 stated, 0.5 right. Bin 0.5-0.6: 1 pixel, 0.55 stated, right.
    result = reliability([0.95] * 4 + [0.55], [1, 1, 0, 0, 1])
    assert result.expected_error == pytest.approx((4 * 0.45 + 1 * 0.45) / 5)
    np.testing.assert_array_equal(result.count, [0, 0, 0, 0, 0, 1, 0, 0, 0, 4])


def test_few_polygons_that_are_all_right_do_not_make_every_confidence_one() -> None:
    stated = np.tile([[0.8, 0.2]], (400, 1))
    truth = np.zeros(400, int)
    few = fit_temperature(stated, truth, np.repeat([0, 1, 2, 3], 100))
    many = fit_temperature(stated, truth, np.arange(400))
    assert many < few < 1
    assert 0.8 < temper(stated, few)[0, 0] < 0.99


def test_reliability_is_not_told_of_the_pixels_that_the_temperature_was_fitted_to() -> None:
    stated = np.tile([[0.9, 0.1]], (60, 1))
    groups = np.repeat([0, 1], 30)
    truth = np.repeat([0, 1], 30)  # one polygon all right, the other all wrong
    found = cross_tempered(stated, truth, groups)
    assert found[0, 0] < 0.9, "the other polygon says: less sure"
    assert found[-1, 0] > 0.9, "the other polygon says: surer"
    np.testing.assert_array_equal(cross_tempered(stated, truth, truth * 0), stated)
    others = temper(stated[:1], fit_temperature(stated[30:], truth[30:], groups[30:]))
    np.testing.assert_allclose(found[:1], others)
    others = temper(stated[:1], fit_temperature(stated[:30], truth[:30], groups[:30]))
    np.testing.assert_allclose(found[-1:], others)


def test_doubt_is_that_of_scipy() -> None:
    generator = np.random.default_rng(4)
    members = generator.dirichlet([0.5] * 5, (3, 40))
    mean = members.mean(0)
    found = normalized_entropy(mean, -1)
    np.testing.assert_allclose(found, stats.entropy(mean, axis=-1) / np.log(5))
    information = stats.entropy(mean, axis=-1) - stats.entropy(members, axis=-1).mean(0)
    np.testing.assert_allclose(
        disagreement(torch.from_numpy(members)).numpy(), information / np.log(3)
    )
    np.testing.assert_allclose(tempered(mean, 2.5, -1), temper(mean, 2.5))


def test_entropy_and_disagreement_of_known_cases() -> None:
    known = np.array([[0.25] * 4, [1, 0, 0, 0], [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(normalized_entropy(known, -1), [1, 0, 0.5])
    agree = torch.tensor([[[0.7, 0.3]]] * 3)
    split = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert disagreement(agree)[0] == pytest.approx(0, abs=1e-6)
    assert disagreement(split)[0] == pytest.approx(1)


def test_training_pixels_in_patches_against_counting() -> None:
    generator = np.random.default_rng(1)
    train, test = generator.integers(0, 60, (2, 80)), generator.integers(0, 60, (2, 30))
    for patch in (9, 16):
        up, down = patch // 2, patch - patch // 2 - 1
        counts = [
            sum(r - up <= a <= r + down and c - up <= b <= c + down for a, b in train.T)
            for r, c in test.T
        ]
        assert training_pixels_in_patches(tuple(test), tuple(train), patch) == np.mean(counts)


def test_pixels_of_different_rows_are_not_confused() -> None:
    assert also_in(([1, 2], [3, 3]), ([2, 3], [3, 1])).tolist() == [False, True]


def test_a_temperature_that_other_polygons_do_not_confirm_is_left_out() -> None:
    generator = np.random.default_rng(2)
    honest = generator.dirichlet([1, 1, 1], 3_000)
    truth = (generator.random(3_000)[:, None] > honest.cumsum(1)).sum(1)
    groups = np.arange(3_000) // 10
    boastful = calibrate(temper(honest, 1 / 3), truth, groups)
    assert boastful.temperature == pytest.approx(3, rel=0.1)
    assert reliability(boastful.confidence, honest.argmax(1) == truth).expected_error < 0.03
    assert boastful.before > 0.1
    stated = np.tile([[0.7, 0.3]], (100, 1))
    lonely = calibrate(stated, np.repeat([0, 1], [50, 50]), np.repeat([0, 1], [50, 50]))
    assert lonely.temperature == 1
    np.testing.assert_array_equal(lonely.confidence, stated[:, 0])


def test_one_clearly_better_baseline_is_enough_to_say_so() -> None:
    polygon = np.arange(81)
    groups = np.repeat(polygon, [5] * 80 + [300])
    reference = np.where(groups % 2, 2, 5)
    wrong = np.append(np.random.default_rng(1).random(80) < 0.4, True)
    mapped = np.where(wrong[groups], 7 - reference, reference)
    lucky = np.where(groups == 80, reference, mapped)  # right in one large polygon more
    good = np.where(wrong[groups] & (groups % 2 == 0), 7 - reference, reference)
    good[groups == 80] = mapped[groups == 80]
    others = [Baseline("rf", "forest", lucky, 0.1), Baseline("svm", "machine", good, 0.1)]
    result = evaluate(reference, mapped, CLASSES, others, groups=groups)
    by_name = {b["name"]: b for b in result["baselines"]}
    assert by_name["rf"]["overall"] > by_name["svm"]["overall"]
    assert by_name["rf"]["difference_interval"][1] >= 0 > by_name["svm"]["difference_interval"][1]
    assert "so prefer the machine here" in result["verdict"]
    assert "--classifier svm)" in result["verdict"]


def test_more_classes_than_colours_is_said_and_the_rest_still_told() -> None:
    classes = [ClassInfo(i + 1, f"class {i + 1}", PALETTE[i % len(PALETTE)]) for i in range(22)]
    reference = np.arange(1, 23)
    result = evaluate(reference, reference, classes)
    assert result["overall"] == 1
    assert result["warnings"] == [
        "These classes share a colour with another: class 1, class 2, class 21, class 22."
    ]
