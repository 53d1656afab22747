"""Pages about jobs: who waits, how long, whether a maximum is right, and who uses what."""
