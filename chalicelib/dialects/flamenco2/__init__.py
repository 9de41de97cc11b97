"""The Flamenco 2 protocol: render-farm workers that poll. `README.md` says what is where."""
