"""endplate.reports."""
