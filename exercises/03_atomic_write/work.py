"""Your writer. Save this file, and `chatlab learn` checks it.

It works as it is: like the naive writer, it opens the file, cuts it to nothing and writes. Make it
safe. `README.md` beside this file tells the story.
"""

from __future__ import annotations

from chatlab.chat.parts.storage_seams import Writer
from chatlab.disk.counted import TEMPORARY_SUFFIX  # noqa: F401 (for you)


class SafeWriter(Writer):
    """Replaces the content of a file."""

    # TODO: what is true of the new content once `replace` has returned? "written" means: handed
    # to the operating system. "synced" means: on the disk, safe from a power cut.
    promise = "written"

    async def replace(self, name: str, data: bytes) -> None:
        """Make the file `name` hold `data`; a file that does not exist is made.

        What `self.files` can do for you (each is awaited, and raises StorageError if it fails):

        - `write(name, data)` opens a file, cuts it to nothing, and writes; with `fsync=True`,
          the data are on the disk when it returns;
        - `append(name, data)`, likewise, at the end of a file;
        - `rename(source, target)` gives a file another name, in place of whatever had it;
        - `remove(name)`;
        - `fsync_folder()` puts the folder on the disk: which names there are, and which file each
          of them means.
        """
        # TODO: while this runs, the file is cut off. Who may look at it just then?
        await self.files.write(name, data)
