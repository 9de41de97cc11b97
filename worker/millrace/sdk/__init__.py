"""The client of the farm's HTTP API, in pieces; `millrace.Farm` joins them. Used by scripts, the CLI and the demo."""
