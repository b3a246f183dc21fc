"""The secret that a server asks for: which words can be one, and how a client shows it."""

from __future__ import annotations

import unicodedata

from chatlab.errors import UsageError

VARIABLE = "CHATLAB_TOKEN"
"""Of the environment: holds the secret, for servers and clients."""
SECRET_LENGTH_MAX = 1_000
HOW_TO_SHOW_A_SECRET = (
    "give it with --token SECRET, --token-file FILE or CHATLAB_TOKEN, or end the address with "
    "?token=SECRET (&token=SECRET behind another ?...)"
)


def check_secret(secret: str, source: str = "the secret") -> str:
    """The secret, if it keeps somebody out and clients can show it.

    Args:
        source: what it comes from, in words.

    Raises:
        UsageError: it is empty, too long, or has characters that cannot be shown.
    """
    if not secret.strip():
        raise UsageError(
            f"{source} is empty (an unset variable?): an empty secret keeps nobody out. Give one, "
            "or leave it out altogether if no secret is asked for"
        )
    if len(secret) > SECRET_LENGTH_MAX:
        raise UsageError(f"{source} is too long for a secret: up to {SECRET_LENGTH_MAX:,} letters")
    # Cc: control characters. Cs: what was no text where it was typed.
    if any(unicodedata.category(one) in ("Cc", "Cs") for one in secret):
        raise UsageError(
            f"{source} has a control character or broken text in it, which clients cannot show: "
            "choose another secret"
        )
    return secret
