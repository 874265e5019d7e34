"""Figures: pure functions from a tidy frame to a plotly figure, the same in notebooks and apps."""
