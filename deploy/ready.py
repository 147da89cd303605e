"""Health check of a container: exit 0 when the service in it says that it is ready."""

import os
import sys
import urllib.request

with urllib.request.urlopen(f"http://127.0.0.1:{os.environ['ATTUNE_HTTP_PORT']}/readyz", timeout=2) as answer:
    sys.exit(answer.status != 200)
