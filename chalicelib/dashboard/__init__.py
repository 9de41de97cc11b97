"""The web page: a shell made here, and files that a browser runs. See README.md."""
