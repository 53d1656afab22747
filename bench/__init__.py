"""Side-by-side measurements; `make bench` runs them, `docs/performance.md` holds the last run."""
