"""Appwrite Functions on this machine: registry, queue, schedules, deployments and one child process per function."""
