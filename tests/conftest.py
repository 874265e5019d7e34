"""What holds for every test: no network, here and in the processes that tests start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import pytest_socket

OFFLINE = Path(__file__).parent / "offline"


def pytest_configure() -> None:
    """Guard the processes that tests start, before any test module can start one at import."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(OFFLINE), os.environ.get("PYTHONPATH")]))
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Guard this process; loopback and unix sockets stay open."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
