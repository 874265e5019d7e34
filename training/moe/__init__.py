"""Mixtures of experts whose waste is put to use (Rectify-Router, arXiv 2402.12399): routing, layer, training, records."""
