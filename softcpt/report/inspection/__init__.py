"""Looks inside a trained prompt: what it learned, what it changed, and where it errs."""
