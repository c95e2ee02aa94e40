"""Does the progress bar jump back, stand still, or pass 100."""

from __future__ import annotations

import pytest
from qgis.PyQt.QtCore import QCoreApplication, QTranslator

from mtmsd_qgis.common.numbers import duration
from mtmsd_qgis.processing.progress import FeedbackWriter, PhaseProgress

WEIGHTS = {"prepare": 10, "pretrain": 80, "classify": 10}


def test_phases_are_parts_of_one_scale():
    progress = PhaseProgress(WEIGHTS)
    assert progress.enter("prepare") == 0
    assert progress.advance(1, 2) == 5
    assert progress.enter("pretrain") == 10
    assert progress.advance(250, 1000) == 30
    assert progress.enter("classify") == 90
    assert progress.advance(7, 7) == 100


def test_it_never_goes_back_and_never_passes_100():
    progress = PhaseProgress(WEIGHTS)
    progress.enter("pretrain")
    assert progress.advance(900, 1000) == 82
    assert progress.advance(10, 1000) == 82  # a resumed loop that counts anew
    assert progress.enter("prepare") == 82
    assert progress.advance(1, 1) == 82
    progress.enter("classify")
    assert progress.advance(9, 3) == 100


def test_a_phase_that_is_entered_again_goes_on():
    progress = PhaseProgress({"scenes": 90, "mosaic": 10})
    progress.enter("scenes")
    assert progress.advance(1, 3) == 30
    assert progress.enter("scenes") == 30
    assert progress.advance(2, 3) == 60
    assert progress.enter("mosaic") == 90


def test_an_unknown_phase_or_total_moves_nothing():
    progress = PhaseProgress(WEIGHTS)
    progress.enter("prepare")
    progress.advance(1, 1)
    assert progress.enter("polishing") == 10
    assert progress.advance(5, 10) == 10
    assert progress.advance(5, 0) == 10
    assert progress.enter("pretrain") == 10


def test_warnings_reach_the_log_as_warnings(feedback):
    FeedbackWriter(feedback, WEIGHTS).tell({"type": "warning", "message": "3 pixels left out."})
    assert {"type": "pushed warning", "text": "3 pixels left out."} in feedback.messages


def test_a_message_of_a_later_engine_is_passed_over(feedback):
    FeedbackWriter(feedback, WEIGHTS).tell({"type": "no such type"})
    assert feedback.percents == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (89, "89 s"), (150, "2 min"), (7800, "2 h 10 min")]
)
def test_durations_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def test_which_engine_runs_is_said_in_the_users_language(feedback, monkeypatch):
    told = []
    monkeypatch.setattr(feedback, "pushInfo", told.append, raising=False)
    writer = FeedbackWriter(feedback, WEIGHTS)
    hello = {"type": "hello", "version": "9", "device": "cpu"}
    writer.tell(hello)
    words = {"Engine {version} on {device}": "Rechenkern {version} auf {device}"}

    class German(QTranslator):
        def isEmpty(self):
            return False

        def translate(self, context, text, disambiguation=None, n=-1):
            return words.get(text, "")

    german = German()
    QCoreApplication.installTranslator(german)
    try:
        writer.tell(hello)
    finally:
        QCoreApplication.removeTranslator(german)
    assert told == ["Engine 9 on cpu", "Rechenkern 9 auf cpu"]
