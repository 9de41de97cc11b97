"""The farm on one machine: an HTTP server around the Chalice app, signed objects, the change log's feed, a timer."""
