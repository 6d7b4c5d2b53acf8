"""The marker of tests that need a browser."""

from __future__ import annotations


def pytest_configure(config):
    config.addinivalue_line("markers", "browser: opens the report's page in a headless Chromium")
