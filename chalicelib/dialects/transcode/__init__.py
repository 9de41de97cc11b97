"""The transcode protocol ("stitch server"): masters, clients and workers that convert recordings. See `README.md`."""
