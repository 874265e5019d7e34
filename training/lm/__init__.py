"""A small decoder language model, trained so that its heads and its in-context learning can be watched emerge."""
