"""`python -m tests.chaos.unwell_worker CLOCK ARGUMENTS...`: `millrace ARGUMENTS...`, with a clock that may be wrong."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.chaos.clocks import skew_by

if __name__ == "__main__":
    skew_by(Path(sys.argv[1]))
    from millrace.cli.__main__ import main

    sys.argv = ["millrace", *sys.argv[2:]]
    sys.exit(main())
