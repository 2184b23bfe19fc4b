"""All that only a GPU can tell."""
