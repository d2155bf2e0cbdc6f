#!lua flags=no-writes
-- args: none -> {non-terminal jobs, {lane, open jobs, ...}, {counter, value, ...}}
return { redis.call('ZCARD', DUE), redis.call('HGETALL', OPEN), redis.call('HGETALL', COUNTERS) }
