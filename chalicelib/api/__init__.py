"""The farm's own HTTP API, `/api/v1`: see README.md."""
