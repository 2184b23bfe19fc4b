"""Exercises: plain files to fill in, checked on save, with messages that name the misconception."""
