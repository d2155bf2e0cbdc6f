#!lua flags=allow-oom
-- args: batch_id, owner, lease_ms, first, count, complete -> {held, total}
local id, key = args.batch_id, batch_key(args.batch_id)
local state, total = unpack(redis.call('HMGET', key, 'state', 'total'))
if state ~= 'listing' or not holds_batch(id, args.owner) then return { 0, 0 } end
total = tonumber(total)
if args.first == total then
  total = total + args.count
  redis.call('HSET', key, 'total', total)
  if args.complete then redis.call('HSET', key, 'state', 'accepting') end
end
redis.call('ZADD', BATCHES_DUE, now_ms() + args.lease_ms, id)
return { 1, total }
