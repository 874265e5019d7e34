"""The panels of the circuits app, one a file."""
