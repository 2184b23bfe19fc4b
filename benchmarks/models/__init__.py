"""Whole models: time, memory, kinds of work, and other engines that do the same."""
