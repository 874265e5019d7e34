"""What is trained, and what it is trained on: the Othello transformer, and a folder for each method."""
