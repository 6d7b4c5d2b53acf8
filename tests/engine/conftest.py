"""The emulated device, for tests in a process of their own (test_emulated_device.py)."""

from __future__ import annotations

import pytest

from softcpt.testing.emulated_device import EmulatedDevice


@pytest.fixture(scope="module")
def device():
    """The emulated device, while the module's tests run."""
    with EmulatedDevice() as found:
        yield found.device
