"""What each figure is, how it is measured, and what would fool it: for `--explain`.

One entry for each row of the comparison, and one for each row of the dashboard. A test keeps them
in step with what is shown.
"""

from __future__ import annotations

import msgspec
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text


class Explanation(msgspec.Struct, frozen=True):
    """One figure, explained.

    Attributes:
        what: what it is.
        how: how it is measured.
        fooled: what would make it lie.
    """

    what: str
    how: str
    fooled: str


COMPARISON: dict[str, Explanation] = {
    "delivered per second": Explanation(
        "Messages that reached everyone in their room, per second. The headline: people use a "
        "chat to be read, not to be acknowledged.",
        "Delivered messages, divided by the time from the first planned send to the last "
        "delivery. One figure a round; shown is the median of the rounds.",
        "Counting acks instead: a queue acknowledges in a moment what it delivers much later. Or "
        "counting frames: ten receivers make ten frames of one message.",
    ),
    "95% interval": Explanation(
        "Where the true median lies, with 95% confidence.",
        "From the order of the rounds alone: with six rounds, it runs from the lowest to the "
        "highest. No bell curve is assumed.",
        "Few rounds, or rounds that are not alike: another program that starts half-way moves "
        "all rounds after it. Rounds alternate A B B A against that.",
    ),
    "x bare echo server": Explanation(
        "The mode's deliveries per second, in units of what a bare `websockets` echo server "
        "answers (--ceiling).",
        "The same sender and plan, in the same run, paired by round: the median and its interval.",
        "An echo server sends one frame for each message, to its sender alone, and checks and "
        "saves nothing. A mode that puts many messages into a frame can pass it.",
    ),
    "x server without disk": Explanation(
        "The same in units of this very server with the fastest parts and a store in memory: what "
        "is left to win by a better store.",
        "As above. Its messages are gone with the process, so that its audit sees no files.",
        "It says nothing of other ceilings: a faster protocol or language would lift it.",
    ),
    "ack p50 / p99": Explanation(
        "How long a sender waits for the server's word. What that word is worth stands under "
        "'an ack means'.",
        "From the planned send to the arrival of the ack, in the load generator. Percentiles of "
        "all raw samples; p99 needs a thousand of them.",
        "Counting from the real send (--clock send): a server that stalls then stops the clock, "
        "too. And averages of percentiles, which mean nothing.",
    ),
    "... from the real send": Explanation(
        "The same latency with another start: when the message really left, with --clock send.",
        "From the real send to the ack, or to the last receipt.",
        "This clock is the fooled one: when the sender itself is held up, its lateness is left "
        "out (coordinated omission). Compare it with the row above.",
    ),
    "delivery p50 / p99": Explanation(
        "How long until the last one in the room has the message.",
        "From the planned send to the last receipt, in the load generator.",
        "Percentiles see survivors only: a message that never arrives has no latency. Look at "
        "'lost' and at the oldest undelivered message, too.",
    ),
    "reads": Explanation(
        "How often a file was opened, read whole, and closed.",
        "Counted in the one place of the server that opens files; exact, no interval. It agrees "
        "with what the operating system's trace shows.",
        "Counting system calls: one read of a large file can take several.",
    ),
    "writes": Explanation(
        "How often a file was replaced or appended to.",
        "Counted like reads. A temporary file counts under the name it is about to get.",
        "One write can be any size: look at the bytes, too. A mode that writes ten times the "
        "whole history is not cheap.",
    ),
    "fsyncs": Explanation(
        "How often the server waited until the disk itself had the data.",
        "Counted where they are called.",
        "A data folder in memory, where an fsync costs nothing; a disk that lies about its cache.",
    ),
    "reads + writes per message": Explanation(
        "What one message costs in file operations.",
        "Reads and writes of all files, divided by the messages saved.",
        "Messages that were refused or lost cost operations, too, and are not in the divisor.",
    ),
    "bytes read": Explanation(
        "How much was read from files.",
        "The sum of what the reads returned.",
        "The operating system's own cache: bytes read are not bytes from the disk.",
    ),
    "bytes written": Explanation(
        "How much was written to files.",
        "The sum of what the writes were given.",
        "It grows with the history in modes that rewrite the file: an empty history flatters.",
    ),
    "server CPU": Explanation(
        "Processor time that the server's process used in a round.",
        "The system's account of the process, user and system time, after minus before.",
        "Short rounds: the system counts in steps of about 10 ms.",
    ),
    "peak memory": Explanation(
        "The most memory that the server's process held at once, in any round.",
        "The system's own record of the process's resident set.",
        "It includes Python itself, some 35 MB, and memory shared with other programs.",
    ),
    "an ack means": Explanation(
        "What is true of a message when its sender hears 'ack'. queued: it is in memory, a crash "
        "loses it. written: the system has it, a power cut may lose it. synced: the disk has it.",
        "Declared by the parts, and tested: for each level there is a test that would fail if "
        "it were not so.",
        "Comparing the speed of two modes whose acks mean different things.",
    ),
    "sent": Explanation(
        "Messages that the load generator handed to its sockets.",
        "Counted at the generator, in all rounds.",
        "A generator that waits for answers sends less when the server is slow, and so hides it.",
    ),
    "acked": Explanation(
        "Messages whose ack arrived.",
        "Counted at the generator.",
        "An ack is a promise, not a delivery.",
    ),
    "refused": Explanation(
        "Messages that the server turned down, and said so.",
        "Counted by the `error` frames; the code says why.",
        "Refusing is quick: a server that refuses everything has splendid latencies.",
    ),
    "saved": Explanation(
        "Messages that lie in the data file after the server has stopped.",
        "The audit reads the file itself, without any part of the server. A format of your own "
        "is read by its store alone: by a fresh one, in a fresh process.",
        "A stop in good order saves what is queued; a crash does not.",
    ),
    "delivered": Explanation(
        "Messages that reached everyone in their room.",
        "Every receiver's list is held against the plan.",
        "Looking at one receiver only.",
    ),
    "lost": Explanation(
        "Messages that were acked and then are missing: on disk, or with someone in the room.",
        "The audit compares acks, files and receipts, message for message.",
        "A mode that never acks loses nothing by this count: look at 'unanswered', too.",
    ),
    "duplicated": Explanation(
        "Copies too many.",
        "Each message carries its number; the audit counts them in the file and at each receiver.",
        "A retry after a failure that was none.",
    ),
    "misdelivered": Explanation(
        "Messages shown to someone who is not in the room.",
        "Every receiver's list is held against the rooms of the plan.",
        "A load with one room only: then there are no outsiders.",
    ),
    "reordered": Explanation(
        "Places where one sender's messages stand in another order than sent.",
        "Looked at in the file and at each receiver.",
        "Order between different senders is nobody's promise, and is not counted.",
    ),
    "corrupt": Explanation(
        "Damaged files, and messages whose text is not what was sent.",
        "The files must parse, and each text must be the planned one.",
        "A file that is damaged in the middle of the run and rewritten whole before its end.",
    ),
    "unanswered": Explanation(
        "Messages that got neither an ack nor an error.",
        "What is left when nothing has come back for some seconds.",
        "A server that is merely very slow: the wait has an end.",
    ),
    "misrefused": Explanation(
        "Messages that were turned down with an error, and are in the files or with a receiver all "
        "the same. Their senders were told to send them again: who does has them there twice.",
        "Each refused message is looked for in the files and at every receiver.",
        "`storage_failed` comes from doubt, too: when a write fails half-way, the message may be "
        "on the disk, and the server cannot tell. It is counted here if it is.",
    ),
    "audit": Explanation(
        "Whether no message was lost, duplicated, shown to outsiders, reordered, corrupted, left "
        "unanswered or refused and there all the same.",
        "The seven rows above, added up.",
        "It sees what happened in these rounds. A race that did not strike is still there.",
    ),
}


DASHBOARD: dict[str, Explanation] = {
    "simulated": Explanation(
        "What is not so in truth: a slower disk (--disk), planned faults (--fault) and how far "
        "they have come. Without such an option the line is missing.",
        "Not measured: these are assumptions, made before the disk is asked; the disk's own time "
        "comes on top.",
        "Taking a figure from such a run for one of a real disk. No cache is simulated.",
    ),
    "accepted": Explanation(
        "Messages that passed every check and were handed to the processor.",
        "Counted by the server; per second over the last second, and in all.",
        "What waits in sockets is not accepted yet, and not seen here.",
    ),
    "acked": COMPARISON["acked"],
    "saved": Explanation(
        "Messages that the store has.",
        "Counted when a save returns without an error.",
        "Saved is as safe as the writer makes it: see what an ack means.",
    ),
    "delivered": Explanation(
        "Messages sent to everyone who is live in their room.",
        "Counted when the last send was handed to the socket.",
        "Handed to the socket is not read: only a receiver knows that.",
    ),
    "ack": Explanation(
        "From the moment when the server read a message to the sending of its ack.",
        "Percentiles of the raw samples of the last ten seconds, 4,096 at most.",
        "How long the message waited before the server read it. Its sender knows: chatlab load.",
    ),
    "save": Explanation(
        "... to the end of its save.", "Like ack.", "Like ack; failed saves have no latency."
    ),
    "delivery": Explanation(
        "... to the last send to its room.", "Like ack.", "Like ack; a slow reader reads later."
    ),
    "loop lag": Explanation(
        "How late the event loop ran a timer: whatever blocks it blocks every client as long.",
        "A task asks to be woken every 20 ms and notes how much later it was.",
        "A block shorter than 20 ms can fall between two looks.",
    ),
    "queue": Explanation(
        "Messages accepted and not yet saved, the limit, and how long the oldest has waited.",
        "Read off the processor at each look.",
        "A short queue can hide a long one in front of the socket.",
    ),
    "batch": Explanation(
        "How many messages were saved together: the last time, at most, and on average.",
        "Counted at each save.",
        "The mean of an evening hides the burst.",
    ),
    "cache": Explanation(
        "Reads answered from memory, reads that went to the disk, and old values served because "
        "the disk failed.",
        "Counted by the reader; one without a cache has none of them.",
        "A high hit rate says nothing about how old the values are.",
    ),
    "cpu": Explanation(
        "Processor time of the server's process.",
        "The system's account: in per cent of one core, over the last half second.",
        "Python uses one core for its own code, however many there are.",
    ),
    "memory": COMPARISON["peak memory"],
    "refused": Explanation(
        "Requests answered with an error, by code.",
        "Counted when the error is sent.",
        "Clients that were disconnected for not reading are in the notes, not here.",
    ),
    "operations": Explanation(
        "Reads and writes together.",
        "The sum of the two columns beside it.",
        "Other tools count opens, or system calls; chatlab shows each kind by itself.",
    ),
    "fsyncs": COMPARISON["fsyncs"],
    "per saved msg": COMPARISON["reads + writes per message"],
    "notes": Explanation(
        "The latest things that a person should know, each with how often it happened.",
        "Written by the server where they happen.",
        "Only the latest eight are kept.",
    ),
}


def explanation_of(label: str) -> Explanation:
    """The explanation of a row of the comparison; rows of files share those of their kind.

    Raises:
        KeyError: there is none.
    """
    return COMPARISON[label if label in COMPARISON else label.rpartition(" ")[2]]


def render(explanations: dict[str, Explanation]) -> RenderableType:
    """Explanations, in their order."""
    return Group(*(_one(label, explanation) for label, explanation in explanations.items()))


def _one(label: str, explanation: Explanation) -> RenderableType:
    text = Text(f"{explanation.what}\n")
    text.append("measured: ", style="dim").append(f"{explanation.how}\n")
    text.append("fooled by: ", style="dim").append(f"{explanation.fooled}\n")
    return Group(Text(label, style="bold"), Padding(text, (0, 0, 0, 2)))
