"""The command line: `millrace submit`, `millrace jobs`, ... Each command is a few lines on `millrace.Farm`.

Exit codes, which scripts rely on: 0 done; 1 failed, canceled or refused; 2 the call itself is wrong; 3 no farm answers;
4 `wait --timeout` ended before the job did; 130 interrupted.
"""

from __future__ import annotations

from millrace.cli.entry import main

__all__ = ["main"]
