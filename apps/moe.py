"""Mixtures of experts: what a router asked for, what capacity allowed, what rectification repaired.

    streamlit run apps/moe.py                       the records that come with the package
    streamlit run apps/moe.py -- --run runs/mine    those of `interp moe train` or `interp moe record`, or a file of routes

The page reads records; what it computes are plans from stored router logits, never a model.
Streamlit runs this file twice over: as the server's module, which warms up, and as the page's script.
"""

from __future__ import annotations

import sys
from pathlib import Path

if (root := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.append(root)  # Streamlit puts only this file's folder there

if __name__ == "__main__":
    from apps.moe_panels.page import main

    main()
else:
    from streamlit.starlette import App

    from apps.moe_panels.opening import warming

    app = App(__file__, lifespan=warming)
