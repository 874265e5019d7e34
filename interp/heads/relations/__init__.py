"""Texts with the relations between their words: dependencies and knowledge graphs, and where their tokens stand."""
