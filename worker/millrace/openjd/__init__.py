"""Open Job Description (https://github.com/OpenJobDescription): templates in, tasks out.

    template.py      a template file and parameter values -> a checked job; errors with the line
    capabilities.py  host requirements as tags, and the tags of this machine
    paths.py         which files a job reads and writes, and where they lie in a task's work folder
    bundle.py        a folder saved by a submitter: template, parameter_values, asset_references
    document.py      what travels to the worker, as JSON
    runner.py        one task, in a process of its own: `python -m millrace.openjd.runner`

Needs the extra `openjd` of this distribution: openjd-model where jobs are submitted, openjd-sessions where they run.
The libraries are imported here and nowhere else, and only when a job of this kind is at hand: they take half a second.
"""
