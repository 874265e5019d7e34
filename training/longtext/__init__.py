"""Long text by coherence, cohesion and complexity, and its types (LongWanjuan, arXiv 2402.13583)."""
