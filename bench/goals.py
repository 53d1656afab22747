"""The goals, and whether this run met them. Goals are ratios where possible, so that they hold on
any machine.
"""

from bench.common import Part, Table

AT_MOST, AT_LEAST = "at most", "at least"
# (part, figure, at most or at least, goal, description)
GOALS = (
    (
        "sync",
        "wall ÷ limit, unchanged",
        AT_MOST,
        1.25,
        "an unchanged sync takes, times the latency limit",
    ),
    (
        "sync",
        "times faster than PyGithub",
        AT_LEAST,
        15,
        "and is faster than PyGithub with update_or_create, times",
    ),
    ("sync", "times less CPU than PyGithub", AT_LEAST, 25, "and takes less CPU than it, times"),
    (
        "sync",
        "rows written, unchanged",
        AT_MOST,
        0,
        "and writes rows of runners, history and versions",
    ),
    ("sync", "paid requests, unchanged", AT_MOST, 0, "and pays for requests"),
    (
        "pages",
        "share unchanged poll",
        AT_LEAST,
        60,
        "an unchanged poll, % of a bare view's requests per second",
    ),
    ("pages", "share kept page", AT_LEAST, 40, "a cached page, % of a bare view's"),
    ("pages", "share cold", AT_LEAST, 5, "an uncached page, % of a bare view's"),
    ("pages", "cold / django-tables2", AT_LEAST, 6, "and faster than django-tables2, times"),
    (
        "pages",
        "API list / cold",
        AT_LEAST,
        2,
        "the API's list of 100 runners, requests per second ÷ an uncached page's",
    ),
    ("tabs", "% of a core", AT_MOST, 25, "500 open tabs, % of a core"),
    (
        "search",
        "worst ratio",
        AT_MOST,
        2,
        "the worst filter, sort, search or page at 100,000 ÷ 10,000 runners",
    ),
    ("scale", "× with 2", AT_LEAST, 1.8, "accounts per second with two workers ÷ one"),
    ("start", "seconds to first page", AT_MOST, 5, "seconds from start to the first page"),
    ("start", "MB grown", AT_MOST, 5, "MB a worker grows over 10,000 readings"),
)


def judge(found: list[Part]) -> Table:
    """Each goal of the parts that ran, beside its figure."""
    figures = {(part.name, name): value for part in found for name, value in part.figures.items()}
    rows = []
    for part, name, way, goal, words in GOALS:
        if (part, name) in figures:
            value = figures[part, name]
            reached = value <= goal if way == AT_MOST else value >= goal
            rows.append([words, f"{way} {goal:g}", f"{value:.4g}", "yes" if reached else "no"])
    return Table("Goals", ["", "goal", "this run", "reached"], rows)
