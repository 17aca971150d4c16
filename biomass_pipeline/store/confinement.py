"""What a cache must not do: lead HDF5 to another file, or to code.

A link, a virtual dataset or external storage makes HDF5 open whatever file is named, as the user
who reads; a filter that it does not bring along is looked for among its plugins, which are shared
libraries. So all of a file is looked at, by what describes it, before anything in it is opened.
"""

from pathlib import Path

import h5py

from biomass_pipeline.errors import UnsafeCacheError

# Those that HDF5 and h5py are built with.
_OWN_FILTERS = frozenset(
    {
        h5py.h5z.FILTER_DEFLATE,
        h5py.h5z.FILTER_SHUFFLE,
        h5py.h5z.FILTER_FLETCHER32,
        h5py.h5z.FILTER_SZIP,
        h5py.h5z.FILTER_NBIT,
        h5py.h5z.FILTER_SCALEOFFSET,
        h5py.h5z.FILTER_LZF,
    }
)


def check_confined(path: Path, file: h5py.File) -> None:
    """Make sure that a file is flat and that all of its data lie in it, as plain numbers and texts.

    Raises:
        UnsafeCacheError: It is not so.
        KeyError, OSError, RuntimeError: HDF5 finds damage.
    """
    for name in file.id:
        problem = _problem(file, name)
        if problem:
            shown = name.decode(errors="backslashreplace")
            raise UnsafeCacheError(path, f"`{shown}` {problem}")


def _problem(file: h5py.File, name: bytes) -> str:
    """Why an entry is refused; empty if it is not."""
    # `in`, `get` and `[]` follow links, so none of them is asked.
    if file.id.links.get_info(name).type != h5py.h5l.TYPE_HARD:
        return "is a link, which may lead to any file of this machine"
    if h5py.h5o.get_info(file.id, name).type != h5py.h5o.TYPE_DATASET:
        return "is no dataset, and a cache is flat"
    return _storage_problem(h5py.h5d.open(file.id, name).get_create_plist())


def _storage_problem(creation: h5py.h5p.PropDCID) -> str:
    """The same of where and how a dataset's numbers are stored."""
    if creation.get_layout() == h5py.h5d.VIRTUAL:
        return "is put together from other files"
    if creation.get_external_count():
        return "keeps its numbers in another file"
    filters = {creation.get_filter(place)[0] for place in range(creation.get_nfilters())}
    strange = sorted(filters - _OWN_FILTERS)
    return f"can only be read by running a plugin (filter {strange[0]})" if strange else ""
