"""Simulated radiographs of the spine with exact landmarks."""
