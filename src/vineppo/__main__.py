"""`python -m vineppo`."""

import sys

from vineppo.cli import main

sys.exit(main())
