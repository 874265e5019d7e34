"""Circuits: exact attribution of logits, features and attention scores to dictionary features, and its tests."""
