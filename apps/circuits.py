"""Circuits of the Othello transformer: play a game, pick what the model computes, see which features make it.

Run with `make app`. The page reads the shipped model, dictionaries and feature cards, and traces while you click.
Streamlit runs this file twice over: as the server's module, which warms the lab up, and as the page's script.
"""

from __future__ import annotations

import sys
from pathlib import Path

if (root := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.append(root)  # Streamlit puts only this file's folder there

if __name__ == "__main__":
    from apps.circuits_panels.page import main

    main()
else:
    from streamlit.starlette import App

    from apps.circuits_panels.opening import warming

    app = App(__file__, lifespan=warming)
