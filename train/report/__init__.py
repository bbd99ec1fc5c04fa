"""The page of accuracy: figures with their intervals, tables, plots, simulated films and pairs."""
