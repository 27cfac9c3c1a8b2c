"""The article's log tree, a module for each kind of file; the helper's own logger writes ``user/`` itself.

The master makes one `runlogs.RunLogs` and tells it what happens; it sees to overview.txt, master.txt, the resource
monitor and the tracebacks in 70_driver_log.txt. A worker process calls `driverlog.redirect` once, and has one
`workerlog.WorkerLog`. None of these raises for a fault of the environment, nor stops a run: what can't be written
waits in bounds, is written when it can be, and the fault is said once.
"""
