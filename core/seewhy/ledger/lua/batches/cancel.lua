#!lua flags=allow-oom
-- args: batch_id -> the fields of the batch, flat; empty when it is unknown
local id, key = args.batch_id, batch_key(args.batch_id)
local state, requested, acceptor =
  unpack(redis.call('HMGET', key, 'state', 'cancel_requested', 'acceptor'))
if (state == 'listing' or state == 'accepting' or state == 'running') and not requested then
  redis.call('HSET', key, 'cancel_requested', 1)
  -- A batch that pauses is due at once; one that is leased keeps its lease.
  if acceptor and redis.call('ZSCORE', BATCHES_DUE, id) then return redis.call('HGETALL', key) end
  redis.call('ZADD', BATCHES_DUE, now_ms(), id)
end
return redis.call('HGETALL', key)
