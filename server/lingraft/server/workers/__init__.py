"""A model in a process of its own: what it and the server say, and both ends of that."""

from lingraft.server.workers.attending import attend
from lingraft.server.workers.messages import Failed, Ready, Setup, hear, say
from lingraft.server.workers.process import Worker
from lingraft.server.workers.remote import Bounds, ProcessScheduler

__all__ = [
    "Bounds",
    "Failed",
    "ProcessScheduler",
    "Ready",
    "Setup",
    "Worker",
    "attend",
    "hear",
    "say",
]
