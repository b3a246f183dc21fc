"""What right queues of all shapes do alike: they count, and show what is not yet saved."""

from chatlab.chat.parts.message_seams import Processor, ProcessorStatistics


class CountingQueue(Processor):
    acks_queued = True
    bounded = False
    flushes = failures = 0

    async def try_to_save(self, messages):
        """The error, or None."""
        try:
            await self.store.save(messages)
        except Exception as error:
            self.failures += 1
            return error
        self.flushes += 1
        return None

    def statistics(self):
        unsaved = self.unsaved()
        oldest_s = self.clock() - unsaved[0].accepted_at if unsaved else 0.0
        limit = self.settings.queue_limit if self.bounded else 0
        return ProcessorStatistics(len(unsaved), limit, oldest_s, self.flushes, self.failures)
