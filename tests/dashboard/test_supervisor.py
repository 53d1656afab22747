"""The supervisor on real processes: what it restarts, and when it gives up."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from dashboard.supervisor import Child, KeepsDying, Supervisor

pytestmark = pytest.mark.processes
LIVES = [sys.executable, "-c", "import time; time.sleep(60)"]


def dies(counter: Path) -> list[str]:
    return [sys.executable, "-c", f"open({str(counter)!r}, 'a').write('x')"]


def test_a_child_that_keeps_dying_leaves_the_pages_up(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    web = Child("web", LIVES, essential=True)
    supervisor = Supervisor([web, Child("worker", dies(starts))], os.environ)
    for child in supervisor.children:
        child.start(os.environ)
    watching = threading.Thread(target=supervisor.watch)
    watching.start()
    time.sleep(6)
    assert watching.is_alive()
    assert web.process is not None
    assert web.process.poll() is None
    assert 3 <= len(starts.read_text()) <= 5  # at once, then after 1 s, 2 s, 4 s …
    supervisor._ask_to_stop(15, None)
    watching.join(5)
    supervisor.stop()
    assert web.process.poll() is not None


def test_an_essential_child_that_keeps_dying_ends_it(tmp_path: Path) -> None:
    supervisor = Supervisor([Child("web", dies(tmp_path / "x"), essential=True)], os.environ)
    supervisor.children[0].start(os.environ)
    with pytest.raises(KeepsDying, match="web ended 6 times within a minute"):
        supervisor.watch()
    supervisor.stop()
