"""The network block itself: it must hold in this process, in children and in notebook kernels, and spare loopback."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

# TEST-NET-1 of RFC 5737: never routed, so a failed block would hang or time out, not be refused by name.
_FOREIGN = ("192.0.2.1", 9)
_ATTEMPTS = [
    "socket.create_connection(('192.0.2.1', 9), timeout=2)",
    "socket.getaddrinfo('example.org', 80)",
    "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
    "__import__('urllib.request').request.urlopen('http://example.org', timeout=2)",
]


def test_this_process_reaches_loopback_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
    with pytest.raises(Exception, match=r"allowed|blocked"):
        socket.create_connection(_FOREIGN, timeout=2)


@pytest.mark.parametrize("attempt", _ATTEMPTS)
def test_children_are_refused(attempt: str) -> None:
    child = subprocess.run([sys.executable, "-c", f"import socket; {attempt}"], capture_output=True, text=True)
    assert child.returncode == 1 and "tests may not reach the network" in child.stderr


def test_children_reach_loopback() -> None:
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("attempt", _ATTEMPTS)
def test_notebook_kernels_are_refused(attempt: str) -> None:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"import socket\n{attempt}")])
    with pytest.raises(CellExecutionError, match="tests may not reach the network"):
        NotebookClient(notebook, kernel_name="python3").execute()


@pytest.mark.slow
def test_notebook_kernels_reach_loopback() -> None:
    import nbformat
    from nbclient import NotebookClient

    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"
    NotebookClient(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), kernel_name="python3").execute()
