"""Panels of the clusters app: a corpus as it falls into clusters, and what a way of sampling makes of it."""
