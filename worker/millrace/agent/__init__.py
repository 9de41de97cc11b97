"""The agent: the program that runs on a worker and speaks for it to the farm. `run.run_worker` is the way in."""
