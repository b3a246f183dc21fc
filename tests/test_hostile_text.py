"""No text of a file, a user, a server or an argument is more than text, on any screen."""

from __future__ import annotations

import html
import io
import re
import unicodedata
from collections.abc import Callable
from contextlib import redirect_stderr
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatlab.bench.audit import Audit
from chatlab.bench.report import LoadReport
from chatlab.chat.protocol import MembersFrame, MessageFrame, RoomInfo, RoomsFrame
from chatlab.chat.snapshot import ServerNote
from chatlab.cli.app import tell
from chatlab.data.inspection import Contents, StoreContents
from chatlab.disk.counted import FileIO
from chatlab.labs.screen import Narrator
from chatlab.plain_text import printable
from chatlab.view import chat, data, words
from chatlab.view.compare import terminal
from chatlab.view.compare.exports import to_csv, to_markdown
from chatlab.view.compare.html import to_html
from chatlab.view.console import TextConsole
from chatlab.view.course import feedback
from chatlab.view.course.common import Readable
from chatlab.view.dashboard.screen import render
from chatlab.view.dashboard.summary import plain_line, print_summary
from chatlab.view.load import print_load, progress_bar
from tests.bench.fakes import a_scenario
from tests.course.test_view import result
from tests.support.reports import MIDNIGHT, a_mode, a_report
from tests.support.snapshots import a_snapshot, printed
from tests.test_view_load import REPORT

PIECES = (
    *("[/x]", "[red]", "[link=x]", ":smile:", "|", "<b>", "</td>", "=1+1", "`", "*", "$x", "%s"),
    *("{0}", "\\", "漢", "e\u0301", "\N{WOMAN}\u200d\N{GIRL}", "\x00", "\x07", "\x08", "\r", "\t"),
    *("\n", "\x0b", "\x1b[2J", "\x1b]0;x\x07", "\x7f", "\x85", "\x9b31m", "\u202e", "\u2067"),
    *("\u200e", "\u061c", "\u200b", "\u2060", "\ufeff", "\xad", "\U000e0041", "\ud800", "\u2028"),
)
HOSTILE = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("x".join)
TODAY, WIDTH = date(2026, 1, 1), 200


def comparison(text: str) -> object:
    speeds = {"naive": a_mode(), text: a_mode(456, refusals={text: 3})}
    return a_report(
        speeds,
        command=f"chatlab compare {text}",
        scenario=MIDNIGHT | {"name": text, "words": text},
        environment={"processor": text, text: text},
        simulated=[text],
    )


def snapshot(text: str) -> object:
    told = {
        "url": f"ws://{text}",
        "mode": text,
        "refusals": {text: 2},
        "files": {text: FileIO(1, 2)},
    }
    return a_snapshot(**told, notes=[ServerNote(1.0, text)], simulated=[text])  # type: ignore[arg-type]


def load(text: str) -> str:
    values = {
        "mode": text,
        "scenario": a_scenario(name=text),
        "refusals": {text: 1},
        "simulated": [text],
    }
    audit = Audit(sent=20, acked=20, saved=None, delivered=20)
    report = LoadReport(**(REPORT | values), audit=audit, complete=True, interrupted=False)
    return on_console(lambda console: print_load(report, console))


def chatted(text: str) -> str:
    room = RoomInfo(text, text, True, True, 3)
    return "\n".join(
        (
            chat.message_line(MessageFrame("m1", text, text, text, text), TODAY, WIDTH),
            chat.rooms_text(RoomsFrame(ref=1, rooms=[room], total=1), WIDTH),
            chat.members_text(
                MembersFrame(ref=1, room_id=text, live=[text], live_count=1, participants=2), "al"
            ),
            chat.refusal_text(text, text),
        )
    )


def folder(text: str) -> str:
    store = StoreContents(
        kind="journal", files=[text], bytes=1, messages=1, rooms={text: 1}, first=text, last=text
    )
    return on_console(
        data.render(Contents(folder=text, users=1, rooms=1, stores=[store], damage={text: text}))
    )


def judged(text: str) -> str:
    shown = dict.fromkeys(("asked", "expected", "actual", "why", "printed", "code"), text)
    return on_console(
        Readable(feedback.feedback(result(**shown, story=[text]), Path(text.replace("\0", ""))))
    )


def told(text: str) -> str:
    tell(f"chatlab: {text}", file := io.StringIO())
    return file.getvalue()


def narrated(text: str) -> str:
    with redirect_stderr(io.StringIO()) as file:
        narrator = Narrator(TextConsole(file=io.StringIO()))
        narrator.say(text)
    return file.getvalue()


def progressed(text: str) -> str:
    with progress_bar(TextConsole(file=io.StringIO())) as bar:
        bar.add_task(printable(text))
        return on_console(bar.get_renderable())


def on_console(what: object) -> str:
    return "\n".join(printed(what, WIDTH))


SCREENS: dict[str, Callable[[str], str]] = {
    "comparison": lambda text: on_console(terminal.render(comparison(text), full=True)),
    "dashboard": lambda text: on_console(render([snapshot(text)], WIDTH, 60)),
    "summary": lambda text: on_console(lambda console: print_summary(snapshot(text), console)),
    "line": lambda text: plain_line(snapshot(text)),
    **{"load": load, "chat": chatted, "data folder": folder, "feedback": judged},
    **{"complaint": told, "lab": narrated, "progress": progressed},
    "careless view": on_console,
}
EXPORTS: dict[str, Callable[[str], str]] = {
    "csv": lambda text: to_csv(comparison(text)),
    "markdown": lambda text: to_markdown(comparison(text)),
    "html": lambda text: html.unescape(to_html(comparison(text))),
}
JOINERS = "\u200c\u200d"


def acting(text: str) -> set[str]:
    """The characters that act on a terminal, or hide."""
    bad = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return {one for one in text if unicodedata.category(one) in bad} - {"\n", *JOINERS}


def squeezed(text: str) -> str:
    """Without what a layout may change: blanks, where a line ends, and what stands for the rest."""
    return re.sub(r"[\s?]+", "", text)


@pytest.mark.parametrize("name", SCREENS | EXPORTS)
@settings(max_examples=8)
@given(HOSTILE)
@example("say [/x] and [red]x :smile:")
@example("".join(PIECES))
def test_a_text_is_shown_as_text_and_acts_on_nothing(name: str, text: str) -> None:
    shown = (SCREENS | EXPORTS)[name](text)
    assert acting(shown) == set()
    if name in SCREENS and len(text) < 30:
        assert squeezed(printable(text)) in squeezed(shown)


def test_wide_and_combining_characters_break_no_table() -> None:
    report = a_report({"naive": a_mode(), "漢字e\u0301": a_mode(456)})
    lines = printed(terminal.render(report), 80)
    assert max(words.cell_len(line) for line in lines) <= 80
