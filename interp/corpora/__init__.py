"""Real text that every machine has, read where it is installed, and files of the user's own."""
