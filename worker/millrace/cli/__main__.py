"""`python -m millrace.cli`, which is what the checkout's `./millrace` runs."""

from __future__ import annotations

from millrace.cli.entry import main

if __name__ == "__main__":
    main()
