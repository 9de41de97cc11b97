"""The Pleiades protocol, and the native worker protocol that extends it. `README.md` says what is where."""
