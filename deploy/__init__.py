"""`./millrace deploy`, `destroy`, `status` and `migrate`: a farm in an AWS account, as one CloudFormation stack.

    account.py     the caller's credentials, region and account
    stage.py       one farm in an account: the names of its things
    build.py       the checkout -> a reproducible archive, and chalice's template
    template.py    that template and infra/*.yaml -> one template
    stack.py       what there is of the stack, and how it gets to another state: change set, progress, rollback
    changing.py    the one change of the stack that a deployment makes, and what it never does
    wanted.py      what was asked for
    deploying.py, destroying.py, telling.py, migrating.py      the commands, step by step
    __main__.py    the command line

It belongs to the checkout and not to the worker's distribution: what is deployed is the checkout.
"""
