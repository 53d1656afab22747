"""The chunks that the proof consists of."""

BOTH = ("sqlite", "postgresql")
# The number of chunks of each scenario, and the rounds, kills or outages in one of them.
MATRIX, MATRIX_SEEDS = 10, 5
KILLS, KILLS_AT_A_TIME = 10, 10
OUTAGES, OUTAGES_AT_A_TIME = 4, 5
CROWDS, EMBEDDED, STOPS, ROUNDS = 5, 5, 3, 4
ANSWERS, ANSWERS_AT_A_TIME = 10, 1000


def chunks() -> list[tuple[str, str, int]]:
    """(scenario, database, seed), ordered so that an interrupted run has covered a bit of
    everything.
    """
    rounds = [
        *(("matrix", database, seed) for seed in range(1, MATRIX + 1) for database in BOTH),
        *(("kills", database, seed) for seed in range(1, KILLS + 1) for database in BOTH),
        *(("kills unscaled", database, 1) for database in BOTH),
        *(("outages", "postgresql", seed) for seed in range(1, OUTAGES + 1)),
        *(("crowd", "postgresql", seed) for seed in range(1, CROWDS + 1)),
        *(("embedded", "sqlite", seed) for seed in range(1, EMBEDDED + 1)),
        *(("stops", "sqlite", seed) for seed in range(1, STOPS + 1)),
        *(("editors", database, 1) for database in BOTH),
        *(("github_down", database, 1) for database in BOTH),
        *(("answers", database, seed) for seed in range(1, ANSWERS + 1) for database in BOTH),
        ("in process", "postgresql", 1),
    ]
    return sorted(rounds, key=lambda chunk: chunk[2])
