"""Lets `python -m project_update` be the command."""

import sys

from .command import main

sys.exit(main())
