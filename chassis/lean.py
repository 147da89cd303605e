"""To be imported before anything else in a service's process: what only people at a terminal need stays out of it.

structlog takes up `rich` wherever it is installed, and with it five MiB; a service paints no tracebacks. In the image
it is not installed at all.
"""

import sys

sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
