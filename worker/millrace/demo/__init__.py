"""`millrace demo`: a farm, two workers and a real transcode on this machine, checked at the end.

Uses only `millrace.Farm` and the commands `serve` and `worker`, as a user would.
"""
