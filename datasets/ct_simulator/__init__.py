"""Simulated films and CT slabs made of real CTs that are bent, turned and broken."""
