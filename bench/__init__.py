"""Side-by-side measurements. `make bench` runs them; `docs/performance.md` has the last run."""
