"""Rooms: one folder per wire protocol. A room calls the core, never the store and never another room."""
