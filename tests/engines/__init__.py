"""Engines that exist for tests only."""
