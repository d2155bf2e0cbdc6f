#!lua flags=allow-oom
-- args: owner, lease_ms -> {} or {batch id, field, value, ...}
local now = now_ms()
local id = redis.call('ZRANGE', BATCHES_DUE, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1)[1]
if not id then return {} end
redis.call('ZADD', BATCHES_DUE, now + args.lease_ms, id)
redis.call('HSET', batch_key(id), 'acceptor', args.owner)
local batch = redis.call('HGETALL', batch_key(id))
table.insert(batch, 1, id)
return batch
