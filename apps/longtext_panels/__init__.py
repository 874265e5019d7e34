"""Panels of the long-text app: metrics, types and their borders, documents with evidence, and the mixture."""
