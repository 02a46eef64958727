"""Roles and routing of jobs, the FireWorks workers that run them, and the local database.

Consumes flows; produces nothing of its own. Stages import :mod:`disolyte.workers.roles` and
:mod:`disolyte.workers.records` only.
"""
