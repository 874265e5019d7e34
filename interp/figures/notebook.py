"""What a notebook does first: figures that stay alive in JupyterLab and are stored as pictures as well.

A code-hosting page shows no plotly figure, only pictures, so each figure is stored as PNG beside its live form. The
picture is drawn by kaleido in a Chrome or Chromium; without one the figure stays live only.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import warnings

import plotly.io as pio

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def begin() -> None:
    """Choose plotly's renderer for this kernel and keep libraries' loading bars out of the outputs."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    pio.renderers.default = "plotly_mimetype+png" if _start_drawing() else "plotly_mimetype"
    pio.defaults.default_width = 860


def _start_drawing() -> bool:
    """Keep one browser open for all figures of the kernel: a new one for each would take seconds."""
    if not os.environ.get("BROWSER_PATH") and not any(map(shutil.which, _BROWSERS)):
        return False
    import kaleido

    for name in ("kaleido", "choreographer"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="The kopts argument is ignored")
    kaleido.start_sync_server(silence_warnings=True)
    atexit.register(kaleido.stop_sync_server, silence_warnings=True)
    return True
