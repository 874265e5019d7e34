"""What we look at in language models: runs, models, Othello, dictionaries, circuits, figures, and one command line."""
