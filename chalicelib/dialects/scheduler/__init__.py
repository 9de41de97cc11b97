"""The scheduler protocol: start, stop and query a program on a named worker. `README.md` says what is where."""
