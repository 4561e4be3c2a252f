"""Calls of injections for which the package gives none."""


def calls(suite, injection, environment):
    return []
