"""The one command line, `interp`: a file a group, heavy imports only inside the commands."""
