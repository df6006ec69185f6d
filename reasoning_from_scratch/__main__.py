"""`python -m reasoning_from_scratch` is the `rfs` command."""

import sys

from reasoning_from_scratch.cli.main import main

sys.exit(main())
