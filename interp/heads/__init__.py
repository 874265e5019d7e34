"""Attention heads: which relations between words of the context they recall (Ren et al. 2024, arXiv 2402.13055)."""
