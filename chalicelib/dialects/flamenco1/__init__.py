"""The protocol of Flamenco 1 ("brender"): tasks, and workers of both generations. `README.md` says what is where."""
