"""A bench for the quality gate: images to be rejected, and laterals to be read and flagged."""
