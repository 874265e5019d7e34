"""The one place where code that a model wrote is run: apart from this process, bounded, and without a network."""
