"""endplate: measurements of the injured spine from lateral radiographs and CT."""

__version__ = "0.1.0"
__all__ = ["__version__"]
