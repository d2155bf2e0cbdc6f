#!lua flags=allow-oom
-- args: batch_id, owner, code, detail -> 1 | 0
local id, key = args.batch_id, batch_key(args.batch_id)
if redis.call('HGET', key, 'state') ~= 'listing' or not holds_batch(id, args.owner) then
  return 0
end
redis.call('HSET', key, 'total', 0, 'error_code', args.code, 'error_detail', args.detail)
finish_batch(id, 'failed', now_ms())
return 1
