#!lua flags=no-writes
-- args: none -> how many wakeups the dispatchers need now
return dispatcher_wakeups_needed(now_ms())
