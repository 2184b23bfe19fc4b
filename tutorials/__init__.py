"""Step-through notebooks and exercises."""
