"""The step page in a browser: each number on it is the engine's, and keys, links and clicks lead where they should."""
