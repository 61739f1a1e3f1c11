"""Who can change a file that this process is about to run code from: only its own user and root may.

Owner and mode are looked at, not what access control lists or the operating system's policies add to them.
"""

import grp
import os
import pwd
import stat
from pathlib import Path

_ROOT = 0


def distrust(folder: Path) -> str | None:
    """Return why others can put files into `folder`, which need not exist yet; None if they cannot.

    The folders above count too: who may rename one of them can put another in its place. There, the sticky bit keeps
    others from doing so, as in /tmp.
    """
    folder = folder.resolve()
    for parent in (folder, *folder.parents):
        try:
            status = parent.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            return f"{parent}: {error.strerror}"
        is_guarded = parent != folder and bool(status.st_mode & stat.S_ISVTX)
        if (reason := foreign(status, is_guarded)) is not None:
            return f"{parent} {reason}"
    return None


def foreign(status: os.stat_result, is_guarded: bool = False) -> str | None:
    """Return why others can change the file or folder of this status, None if they cannot.

    `is_guarded` says that being allowed to write does not allow it.
    """
    if status.st_uid not in (_ROOT, os.geteuid()):
        return f"belongs to user {status.st_uid}"
    if is_guarded:
        return None
    if status.st_mode & stat.S_IWOTH:
        return "can be written by everybody"
    if status.st_mode & stat.S_IWGRP and not _is_private(status.st_gid):
        return f"can be written by group {status.st_gid}"
    return None


def _is_private(group_id: int) -> bool:
    """Return whether the group is the user's alone: many Linux systems give each user one, of the user's name.

    With it goes a umask of 002, so that everything a user makes can be written by that group.
    """
    try:
        group, user = grp.getgrgid(group_id), pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
    return group.gr_name == user and set(group.gr_mem) <= {user}
