"""``python -m crm_warehouse``."""

import signal
import sys

from crm_warehouse.cli.failures import raise_terminated
from crm_warehouse.cli.main import main

if __name__ == "__main__":
    # As Ctrl-C does: what is open is rolled back, and the result line still comes.
    signal.signal(signal.SIGTERM, raise_terminated)
    sys.exit(main())
