"""`python -m chalicelib.embedded`: first the memory, then the farm (`serving`)."""

import sys

from .memory import begin_again_sharing

if __name__ == "__main__":
    begin_again_sharing()  # before anything large is imported: it would be imported twice
    from .serving import main

    sys.exit(main())
