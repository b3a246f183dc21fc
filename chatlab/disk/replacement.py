"""A file that replaces another, in one step: what it keeps of the old one.

It keeps the mode, the access control list, and the owner and group as far as the system lets us
(only root may give a file away). It is never wider than that, from its first byte on: secrets must
not be readable for a moment either. A new file gets what the umask says, like any other.

- A symbolic link stays a link: what it points to is replaced.
- A folder, a pipe, a socket or a device is refused, not replaced.
- Of a file with several names (hard links), this name gets the new content, and the others keep the
  old: whoever wants one content under two names needs a symbolic link.

`counted.py` replaces data files this way; exports do, too.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

TEMPORARY_SUFFIX = ".tmp"
"""A file with this ending is counted under the name of the file that it is about to replace."""

_OF_A_PROCESS = re.compile(r"(\.\d+)?\.tmp$")
_TRIES = 3
_ACL = "system.posix_acl_access"
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def replaced_by(temporary: str) -> str:
    """The name of the file that a temporary file replaces: `a.json.tmp` and `a.json.7.tmp` replace
    `a.json`. Any other name is returned as it is."""
    return _OF_A_PROCESS.sub("", temporary)


def place(folder: Path, name: str) -> Path:
    """Where a file, or the temporary file that will replace it, lies.

    A temporary file lies beside what a link points to: a rename cannot cross file systems.
    """
    path = folder / (known := replaced_by(name))
    if name != known and path.is_symlink():
        real = Path(os.path.realpath(path))
        return real.with_name(real.name + name[len(known) :])
    return folder / name


def create(path: Path, like: Path) -> io.FileIO:
    """Make an empty file, for its owner to write, that opens to nobody what `like` does not.

    What a killed process left under that name is removed first: it may be open to more.

    Raises:
        OSError: `like` is no plain file, or the system says no.
    """
    model = plain_file(like)
    mode = 0o666 if model is None else stat.S_IRUSR | stat.S_IWUSR
    file = io.FileIO(_new(path, mode), "wb")
    try:
        if model is not None:
            _liken(path, like, model, stat.S_IRUSR | stat.S_IWUSR)
    except BaseException:  # another writer has taken the name meanwhile, say
        file.close()
        raise
    return file


def move(temporary: Path, target: Path) -> Path:
    """Give a file another name, in place of the file that has it, and what it keeps of that one.

    Returns where it is now: elsewhere than `target`, if that is a link.

    Raises:
        OSError: `target` is no plain file, or the system says no. Nothing has been replaced.
    """
    model = plain_file(target)
    if model is not None:
        _liken(temporary, target, model)
    real = Path(os.path.realpath(target)) if target.is_symlink() else target
    return temporary.replace(real)


def plain_file(path: Path) -> os.stat_result | None:
    """What a plain file, or a link to one, is like; None if there is none yet.

    Raises:
        OSError: it is something else.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        text = f"{path.name} is {kind}, not a plain file: move it away"
        raise OSError(errno.EINVAL, text, str(path))
    return found


def _new(path: Path, mode: int) -> int:
    for _ in range(_TRIES):
        with suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            return os.open(path, flags | getattr(os, "O_BINARY", 0), mode)
        path.unlink(missing_ok=True)
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _liken(path: Path, other: Path, model: os.stat_result, more: int = 0) -> None:
    """Give a file the owner, the group, the mode and the access list of another.

    A system, or a file system, that does not know them is no error; a group that cannot be kept
    gets no more than everybody has.

    Args:
        more: bits of the mode on top of the other's.
    """
    mode = stat.S_IMODE(model.st_mode) & 0o777
    found = path.stat()
    if hasattr(os, "chown"):
        if model.st_gid != found.st_gid:
            with suppress(OSError):
                os.chown(path, -1, model.st_gid)
                found = path.stat()
        if model.st_gid != found.st_gid:
            mode &= ~0o070 | (mode & 0o007) << 3
        if model.st_uid != found.st_uid:
            with suppress(OSError):
                os.chown(path, model.st_uid, -1)
    if not _access_list_kept(path, other):
        mode &= ~0o070 | (mode & 0o007) << 3  # the group's bits were the list's mask
    with suppress(OSError):
        path.chmod(mode | more)


def _access_list_kept(path: Path, other: Path) -> bool:
    """Copy the access control list, if there is one and the system has such things."""
    if not hasattr(os, "getxattr"):
        return True
    try:
        wanted = os.getxattr(other, _ACL)
    except OSError:  # there is none, or the file system knows none
        return True
    try:
        os.setxattr(path, _ACL, wanted)
    except OSError:
        return False
    return True
