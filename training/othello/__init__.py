"""Training of the Othello transformer on fresh random games."""
