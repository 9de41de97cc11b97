"""Rounds of faults on farms of real processes, and a checker that reads the whole history of each afterwards.

    proxy.py      between everybody and the server: writes down every exchange, and loses, doubles and delays some
    faults.py     what happens to processes: killed, stopped and continued, kept away for a while
    round.py      one seeded round: a farm, its workers, jobs, people who change their minds, faults, the end
    history.py    what was said, and what was true at the end, as values
    checker.py    pure: history -> violations of the farm's promises
    __main__.py   `./millrace chaos`: many rounds

A seed fixes which faults come, in which order and after which pauses; where they meet the processes is up to the
machine. A round that finds something keeps its folder: logs of all processes and the history as JSON lines.
"""
