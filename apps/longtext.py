"""Types of long texts: see what decides them, move the borders, read the evidence, choose what training sees.

    streamlit run apps/longtext.py                       the run that comes with the package
    streamlit run apps/longtext.py -- --run runs/mine    one that `interp longtext score` made

The page reads a finished run; the only text it scores itself is one that a reader pastes or uploads.
Streamlit runs this file twice over: as the server's module, which warms up, and as the page's script.
"""

from __future__ import annotations

import sys
from pathlib import Path

if (root := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.append(root)  # Streamlit puts only this file's folder there

if __name__ == "__main__":
    from apps.longtext_panels.page import main

    main()
else:
    from streamlit.starlette import App

    from apps.longtext_panels.opening import warming

    app = App(__file__, lifespan=warming)
