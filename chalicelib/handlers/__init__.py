"""The doors that are not HTTP: each parses its event, calls the core, and bears the same event twice."""
