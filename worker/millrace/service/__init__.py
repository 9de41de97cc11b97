"""A worker that starts with its machine: a systemd unit, a launchd job, or a scheduled task of Windows.

What is run is a plain `millrace worker`. No token stands in what is written, nor in its command line: the worker's own
is in its state folder. Variables that it needs (proxies, authorities) are there too, in `service.json`, which only its
user may read, for a proxy's URL may hold a password.
"""
