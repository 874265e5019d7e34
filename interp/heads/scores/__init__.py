"""What else is measured of heads: copying and attention scores, winning heads, an attention probe, ablations."""
