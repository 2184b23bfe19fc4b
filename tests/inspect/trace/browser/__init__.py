"""The step page in a browser: every number on it is the engine's, and keys, links, clicks and readers find their way."""
