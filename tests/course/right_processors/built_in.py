"""The server's own queue: it has a shape of its own, too."""

from chatlab.chat.parts.processor.queueing import QueueingProcessor


class MessageProcessor(QueueingProcessor):
    """As 06 names it."""


class NoLossProcessor(QueueingProcessor):
    """As 07 names it."""
