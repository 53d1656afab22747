"""F4 and F5: beat publishes by a clock that never jumps, and only while messages are taken."""

from pathlib import Path
from time import sleep

import pytest
import time_machine
from celery import Celery
from pytest_django import Settings

from dashboard.beat import MOST_WAITING, Beat
from dashboard.broker import waiting_messages

EVERY_SECOND = {"tick": {"task": "tick", "schedule": 0.05}}


@pytest.fixture
def beat(tmp_path: Path, settings: Settings) -> Beat:
    settings.DATA_DIR = tmp_path
    for name in ("broker", "control"):
        (tmp_path / name).mkdir()
    app = Celery("beat-in-a-test", broker="filesystem://localhost//")
    app.conf.update(
        beat_schedule=EVERY_SECOND,
        broker_transport_options={
            "data_folder_in": str(tmp_path / "broker"),
            "data_folder_out": str(tmp_path / "broker"),
            "control_folder": str(tmp_path / "control"),
        },
    )
    return Beat(app=app)


def run(beat: Beat, ticks: int) -> int:
    """The number of messages that wait after so many ticks, each when a task is due."""
    for _ in range(ticks):
        beat._due_at.clear()
        beat.tick()
    return waiting_messages(beat.app)


def test_no_more_than_a_hundred_messages_wait_without_a_worker(beat: Beat) -> None:
    assert run(beat, 5) == 5
    assert run(beat, MOST_WAITING + 50) == MOST_WAITING


def test_it_publishes_again_once_messages_are_taken(beat: Beat, tmp_path: Path) -> None:
    assert run(beat, MOST_WAITING + 5) == MOST_WAITING
    for message in list((tmp_path / "broker").glob("*.msg"))[:10]:
        message.unlink()
    assert run(beat, 5) == MOST_WAITING - 5


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_neither_silences_nor_floods_it(beat: Beat, hours: int) -> None:
    beat.tick()
    waiting = waiting_messages(beat.app)
    with time_machine.travel(f"2026-11-20 {12 + hours}:00", tick=True):
        assert beat.tick() <= 0.05
        assert waiting_messages(beat.app) <= waiting + 1
        for _ in range(5):
            sleep(0.06)
            beat.tick()
    assert waiting_messages(beat.app) >= waiting + 5
