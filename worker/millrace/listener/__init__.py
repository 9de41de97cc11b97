"""A worker for a foreign master: one that speaks the transcode protocol and calls its workers.

`run.py` is the way in, `server.py` takes the master's calls, `conversions.py` does the work, `master.py` talks back.
Off unless asked for: `millrace worker --listen HOST:PORT --master URL --storage DIR`.
"""
