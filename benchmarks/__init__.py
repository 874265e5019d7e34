"""Performance, measured as ratios side by side in one run; each file writes `results/<its name>.json`."""
