"""The relation index of every head: events, shares, random tails, statistics (arXiv 2402.13055, section 3)."""
