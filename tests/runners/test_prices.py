"""Cost estimates of runners from GitHub's list prices."""

import json
from pathlib import Path

import pytest

from runners_app.jobs.prices import USD_PER_MINUTE, usd_per_hour

PRICES = Path(__file__).resolve().parents[3] / "shared" / "github-api" / "prices.json"


def test_an_hour_costs_the_minute_price_of_all_machines_times_sixty() -> None:
    assert usd_per_hour("linux-x64", "8-core", 50) == pytest.approx(0.022 * 60 * 50)


def test_a_size_without_a_list_price_has_no_estimate() -> None:
    assert usd_per_hour("linux-x64", "1000-core", 5) is None
    assert usd_per_hour("linux-x64", "8-core", None) is None


@pytest.mark.skipif(
    not PRICES.exists(), reason="GitHub's facts lie beside the project only where it is developed."
)
def test_prices_match_githubs_list() -> None:
    listed = json.loads(PRICES.read_text())["prices"]
    larger = [
        row for row in listed if row["runner_class"].startswith("larger") and row["machine_size"]
    ]
    platform = {"linux": "linux", "windows": "win"}
    expected = {
        (f"{platform[row['os']]}-{row['arch']}", row["machine_size"]): row[
            "usd_per_minute_from_2026_01_01"
        ]
        for row in larger
    }
    assert expected == USD_PER_MINUTE
