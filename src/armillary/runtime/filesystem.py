"""Whether a path is on a file system that several machines may share."""

from __future__ import annotations

from pathlib import Path

#: Types of file systems of which the memory maps of two machines, or of a machine and its host,
#: need not agree; every file system in user space (``fuse.``) is taken for one of them.
# fmt: off
SHARED_TYPES = frozenset((
    "nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "afs", "ncpfs",
    "coda", "webdav", "davfs", "9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs",
    "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "gfs", "gfs2", "ocfs2", "orangefs",
    "pvfs2", "panfs", "quobyte", "wekafs", "acfs",
))
# fmt: on
_USER_SPACE = "fuse."
#: Option of a drive of another machine, on Windows.
_REMOTE = "remote"


def shared_filesystem(path: Path) -> str | None:
    """The type of the file system of a path if machines may share it; else None.

    See https://sqlite.org/wal.html: all processes that use a write-ahead log must be on the same
    machine, and "WAL does not work over a network filesystem".
    """
    import psutil

    path = path.resolve()
    holding = [
        mount for mount in psutil.disk_partitions(all=True) if path.is_relative_to(mount.mountpoint)
    ]
    if not holding:
        return None
    # Of several mounted on one another, the last one is seen.
    mount = max(reversed(holding), key=lambda mount: len(Path(mount.mountpoint).parts))
    kind = mount.fstype.lower()
    if kind in SHARED_TYPES or kind.startswith(_USER_SPACE):
        return mount.fstype
    return "remote" if _REMOTE in mount.opts.split(",") else None
