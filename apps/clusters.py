"""Clusters of a corpus, and sampling from them: look at the map, read documents, choose how often each is seen.

    streamlit run apps/clusters.py                       the run that comes with the package
    streamlit run apps/clusters.py -- --run runs/mine    one that `interp sample prepare` made

The page reads a finished run and never computes from its documents while a slider moves.
Streamlit runs this file twice over: as the server's module, which warms up, and as the page's script.
"""

from __future__ import annotations

import sys
from pathlib import Path

if (root := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.append(root)  # Streamlit puts only this file's folder there

if __name__ == "__main__":
    from apps.clusters_panels.page import main

    main()
else:
    from streamlit.starlette import App

    from apps.clusters_panels.opening import warming

    app = App(__file__, lifespan=warming)
