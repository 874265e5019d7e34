"""Models: loading, registry, self-checks, and plain-tensor descriptions for tracing."""
