"""Part 7: the time from `manage.py serve` to the first page, and a worker's memory over many
readings.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.common import Part, Servers, Table, run_child
from runners_app.models import Reading
from tests.processes import Process, free_port, responds
from tests.processes import run as run_process
from tests.simulator_handle import start_simulator

STARTS, READINGS, STEPS = 3, 10_000, 10


def run(servers: Servers) -> Part:
    seconds = [_first_page() for _ in range(STARTS)]
    with start_simulator(
        "--organizations", "1", "--enterprises", "0", "--runners", "100", "--speed", "0"
    ) as simulator:
        environment = servers.database("memory")
        environment |= {
            "BENCH_ACCOUNTS": json.dumps([vars(account) for account in simulator.accounts])
        }
        environment |= {"BENCH_URL": simulator.base_url, "DEMO_API_ORIGINS": simulator.base_url}
        run_child(environment, "bench.sync", "connect")
        megabytes: list[float] = run_child(environment, "bench.start")
    start = Table(
        "`make run` to the first page, once installed",
        ["", "seconds"],
        [["fastest", f"{min(seconds):.1f}"], ["median", f"{statistics.median(seconds):.1f}"]],
        [
            "From an empty data folder: keys, migrations, static files, simulator, web, worker, "
            "first response."
        ],
    )
    steps = [READINGS // STEPS * (number + 1) for number in range(STEPS)]
    memory = Table(
        f"Memory of a process over {READINGS:,} readings, in MB",
        ["readings", *(f"{step:,}" for step in steps)],
        [["resident", *(f"{size:.1f}" for size in megabytes)]],
    )
    grown = megabytes[-1] - megabytes[0]
    return Part(
        "start",
        [start, memory],
        {"seconds to first page": statistics.median(seconds), "MB grown": grown},
    )


def _first_page() -> float:
    port = free_port()
    with TemporaryDirectory() as folder:
        environment = {"PATH": os.environ["PATH"], "TRACKSIDE_DATA_DIR": f"{folder}/var"}
        command = [sys.executable, "manage.py", "serve", "--port", str(port)]
        serving = Process(command, environment=environment, log=Path(folder) / "log")
        started = time.perf_counter()
        with run_process(serving):
            serving.wait_until(lambda: responds(f"http://127.0.0.1:{port}/sign-in/"), 60)
            return time.perf_counter() - started


def main() -> None:
    """Read one account again and again in this process; its resident memory after each tenth, as
    JSON.
    """
    import django

    django.setup()
    from runners_app.models import Account
    from runners_app.worker.work import work_credential

    account = Account.objects.get()
    sizes = []
    for _ in range(STEPS):
        for _ in range(READINGS // STEPS):
            Reading.objects.schedule_now(account, "runners")
            work_credential(account.credential_id, holder="the benchmark")
        sizes.append(_resident())
    sys.stdout.write(json.dumps(sizes) + "\n")


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


if __name__ == "__main__":
    main()
