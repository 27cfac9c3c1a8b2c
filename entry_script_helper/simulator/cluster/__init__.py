"""A run on a Dask cluster: beside each Dask worker, processes of our own score; only the master commits their rows.

`child` is such a process and the pipe to it, `node` what runs in a Dask worker, `connection` the way to the scheduler,
`crew` what the loop sees of it all.
"""
