"""Tells others what happened in the farm: finds events, keeps them until they are delivered, delivers them."""
