#!lua flags=allow-oom
-- args: batch_id -> the fields of the batch, flat; empty when it is unknown
local id, key = args.batch_id, batch_key(args.batch_id)
local state, requested = unpack(redis.call('HMGET', key, 'state', 'cancel_requested'))
if (state == 'accepting' or state == 'running') and not requested then
  redis.call('HSET', key, 'cancel_requested', 1)
  redis.call('ZADD', BATCHES_DUE, 'NX', now_ms(), id)
end
return redis.call('HGETALL', key)
