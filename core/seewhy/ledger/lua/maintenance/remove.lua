#!lua flags=allow-oom
-- args: list (the key of a sorted set of ids of jobs or batches), ids -> how many were removed
local removed = 0
for _, id in ipairs(args.ids) do removed = removed + redis.call('ZREM', args.list, id) end
return removed
