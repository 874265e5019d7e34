"""Panels of the app on mixtures of experts."""
