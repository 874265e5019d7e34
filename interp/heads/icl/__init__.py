"""In-context learning at three levels: loss reduction, format compliance, pattern discovery (arXiv 2402.13055)."""
