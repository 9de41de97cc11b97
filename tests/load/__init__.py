"""A thousand workers that are no more than their calls, against a farm that runs: `./millrace load`."""
