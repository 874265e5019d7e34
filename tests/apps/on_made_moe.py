"""The MoE app on made records, for AppTest; RUN_FOLDER names them."""

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2])]

from apps.moe_panels import opening, page  # noqa: E402

if __name__ == "__main__":  # AppTest leaves it as the main module, which a spawned worker of a later test runs again
    opening.asked_run = lambda: os.environ["RUN_FOLDER"]
    page.main()
