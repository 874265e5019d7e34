"""Othello: rules on bitboards, the transformer that plays it, and what linear probes read from it."""
