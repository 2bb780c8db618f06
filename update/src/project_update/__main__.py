"""Run the command by `python -m project_update`."""

import sys

from .command import main

sys.exit(main())
