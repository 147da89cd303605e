"""A service's process holds no packages that only people at a terminal need."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("service", ["screening", "referral", "notification", "workforce"])
def test_a_service_does_not_load_what_it_never_uses(service: str) -> None:
    entry = f"import services.{service}.__main__"
    show = f"import sys\ntry: {entry}\nfinally: print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, timeout=60, check=False)
    modules = done.stdout.split()
    assert f"services.{service}.main" in modules
    assert {"pygments", "holidays", "notifications_python_client", "requests"}.isdisjoint(modules)
