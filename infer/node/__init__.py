"""Talking to a PACS: receive, score, send, retrieve. Needs the extra ``pacs``."""
