"""Balanced sampling over clusters of a corpus (ClusterClip, arXiv 2402.14526): embed, cluster, sample."""
