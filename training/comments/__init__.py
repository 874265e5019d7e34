"""Comments for code (Song et al. 2024, arXiv 2402.13013): how dense they are, and new ones that leave the code unchanged."""
