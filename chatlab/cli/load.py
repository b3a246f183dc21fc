"""`chatlab load`: put load on a server that is running."""

from __future__ import annotations

import asyncio
import secrets
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatlab.cli.compare import EXIT_NOT_CLEAN, EXIT_NOT_COMPLETE, check_writable
from chatlab.cli.top import DEFAULT_URL

if TYPE_CHECKING:
    from chatlab.bench.load import Load


def load(
    url: Annotated[str, typer.Argument(help="The server's address.")] = DEFAULT_URL,
    scenario: Annotated[
        str, typer.Option(metavar="NAME", help="midnight: a burst; steady: a rate.")
    ] = "midnight",
    messages: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=1_000_000, help="How many in all; midnight has 1000."),
    ] = None,
    users: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=1_000, help="Connections; midnight has 10."),
    ] = None,
    rooms: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=1_000, help="Rooms they share; midnight has 1."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="N", min=0.1, help="Messages per second, instead of a burst."),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", help="The same seed gives the same messages.")
    ] = 1,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write everything measured to FILE.")
    ] = None,
) -> None:
    """Send planned messages to a running server, and measure acks and deliveries.

    Latency counts from the planned time of each message, so that a slow server cannot slow the
    measuring down. Ctrl-C keeps what was measured so far.
    """
    from chatlab.bench import scenario as scenarios
    from chatlab.bench.client import check_url
    from chatlab.bench.load import Load
    from chatlab.bench.load_report import encode, load_report
    from chatlab.view.load import print_load

    check_url(url)
    if json is not None:
        check_writable(json)
    chosen = scenarios.override(
        scenarios.load(scenario), messages=messages, users=users, rooms=rooms, rate_per_s=rate
    )
    # Two loads at once must not take each other's names; the plan itself depends on the seed only.
    run_id = secrets.token_hex(3)
    run = Load(url, chosen, scenarios.plan(chosen, seed), run_id=run_id)
    try:
        asyncio.run(_run(run))
    except KeyboardInterrupt:
        print("stopped early: what follows is PARTIAL", file=sys.stderr)
    report = load_report(
        run.result, run_id, command=shlex.join(["chatlab", *sys.argv[1:]]), seed=seed
    )
    print_load(report)
    if json is not None:
        json.write_bytes(encode(report))
    if not report.complete:
        sys.exit(EXIT_NOT_COMPLETE)
    sys.exit(0 if report.audit.clean else EXIT_NOT_CLEAN)


async def _run(run: Load) -> None:
    from chatlab.view.progress import follow_load

    drawing = asyncio.create_task(follow_load(run.result))
    try:
        await run.run()
    finally:
        drawing.cancel()
        await asyncio.wait([drawing])
