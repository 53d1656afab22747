"""The results that the proof has collected over all its runs, and the table it prints."""

import json
from typing import Any

from tests.faults.driven import Results
from tests.processes import ROOT

FINISHED = ROOT / "test-output" / "proof"
HEADING = (
    f"{'scenario':<16}{'database':<12}{'chunks':>8}{'cases':>8}"
    f"{'lost':>6}{'doubled':>9}{'unfinished':>12}  measured"
)
SCALE = 5


def read_finished() -> dict[str, Results]:
    """Results by scenario/database/seed."""
    files = FINISHED.glob("*.json")
    return {path.stem.replace(",", "/"): json.loads(path.read_text()) for path in files}


def keep(key: str, results: Results) -> None:
    """Store the results of a chunk in a file of their own, atomically: several runs may write at
    once.
    """
    FINISHED.mkdir(parents=True, exist_ok=True)
    aside = FINISHED / f"{key.replace('/', ',')}.part"
    aside.write_text(json.dumps(results, indent=0))
    aside.rename(aside.with_suffix(".json"))


def table(chunks: list[tuple[str, str, int]]) -> list[str]:
    """A line per scenario and database: how much was run, what went wrong, what was measured."""
    by_kind: dict[tuple[str, str], list[Results]] = {}
    for key, results in read_finished().items():
        scenario, database, _ = key.split("/")
        by_kind.setdefault((scenario, database), []).append(results)
    return [HEADING, *(_line(*kind, found, chunks) for kind, found in sorted(by_kind.items()))]


def _line(
    scenario: str, database: str, found: list[Results], chunks: list[tuple[str, str, int]]
) -> str:
    flat = [each for results in found for each in results]
    wanted = [chunk for chunk in chunks if chunk[:2] == (scenario, database)]
    cases = sum(_cases(each) for each in flat)
    counts = (
        f"{cases:>8}{_sum(flat, 'lost'):>6}{_sum(flat, 'doubled'):>9}{_sum(flat, 'unfinished'):>12}"
    )
    chunk_counts = f"{len(found):>4}/{len(wanted):<3}"
    return f"{scenario:<16}{database:<12}{chunk_counts}{counts}  {_measured(scenario, flat)}"


def _cases(result: dict[str, Any]) -> int:
    count: int = result.get("cases") or result.get("saves") or result.get("requests") or 1
    return count


def _sum(flat: Results, name: str) -> int:
    counts: list[int] = [int(each.get(name) or 0) for each in flat]
    return sum(counts)


def _measured(scenario: str, flat: list[dict[str, Any]]) -> str:
    first = flat[0]
    match scenario:
        case "kills" | "kills unscaled":
            seconds = [each["taken_up"] for each in flat if each["taken_up"] is not None]
            times = SCALE if scenario == "kills" else 1
            p95 = _percentile(seconds) * times
            return (
                f"taken over within {p95:.1f} s at p95 "
                f"({len(seconds)} were held, waiting times x {times})"
            )
        case "outages":
            redis = max(
                (each["working_again"] for each in flat if each["outage"] == "redis"), default=0
            )
            pages = [
                each["shown"]["/runners/"]["seconds"]
                for each in flat
                if each["outage"] == "postgresql"
            ]
            return (
                f"Redis back: working within {redis:.1f} s; "
                f"no PostgreSQL: 503 within {max(pages, default=0):.1f} s"
            )
        case "crowd":
            return (
                f"overlapping requests {_sum(flat, 'overlaps')}, "
                f"writes too close {_sum(flat, 'too_close')}"
            )
        case "stops":
            slowest = max(each["stopped"] for each in flat)
            return f"ended within {slowest:.1f} s of SIGTERM"
        case "editors":
            return (
                f"database is locked {first['locked']}, errors {first['errors']}, "
                f"ended {first['states']}"
            )
        case "github_down":
            return f"p95 {first['p95_ms']} ms, statuses {first['statuses']}"
        case "matrix":
            return f"slowest {max(each['seconds'] for each in flat):.1f} s"
    return ""


def _percentile(values: list[float], share: float = 0.95) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
