"""Folders of files as the farm keeps them: manifests, and the paths they may hold. For agent and library."""
