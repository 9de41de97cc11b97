"""Rounds of faults on farms of real processes, and a checker that reads the whole history of each afterwards.

    proxy.py      between everybody and the server: writes down every exchange; loses, doubles, delays, breaks some
    site.py       where a round takes place: clocks, disk, hosts, table, as its seed wishes and the machine allows
    faults.py     what happens to processes, disks, clocks and cables
    unwell_server.py, simulated_server.py, unwell_worker.py
                  the programs of a round: events that come twice, late and in pieces; death between two writes; a table
                  that behaves as DynamoDB may; clocks that are wrong
    dynamo_process.py
                  DynamoDB as a service of its own, beneath `store/dynamo` and boto3: it throttles, fails, conflicts,
                  does batches in part and ends pages early, and lives on when the farm's server is killed
    hosts.py, disks.py, clocks.py
                  network namespaces, a small disk and files that may only be read, wrong clocks
    round.py      one seeded round: a farm, its workers, jobs, people who change their minds, faults, the end
    history.py    what was said, and what was true at the end, as values
    checker.py    pure: history -> violations of the farm's promises
    __main__.py   `./millrace chaos`: many rounds

A seed fixes which faults come, in which order and after which pauses; where they meet the processes is up to the
machine. Namespaces, small disks and read-only files are root's to make; without them rounds go without, and the summary
shows how many had them. A round that finds something keeps its folder: logs of all processes and the history as JSON
lines.
"""
