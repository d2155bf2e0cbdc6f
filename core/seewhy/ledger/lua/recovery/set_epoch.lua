#!lua flags=allow-oom
-- args: owner, epoch, server -> 1 | 0
if redis.call('HGET', LEADERSHIP, 'owner') ~= args.owner then return 0 end
redis.call('HSET', EPOCH, 'epoch', args.epoch, 'server', args.server, 'marked_ms', now_ms())
redis.call('DEL', LEADERSHIP)
return 1
