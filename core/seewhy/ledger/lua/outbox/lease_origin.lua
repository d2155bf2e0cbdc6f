#!lua flags=allow-oom
-- args: limit -> {} or {origin, end of the lease, {job id or batch name, attempt, field, value, ...}, ...}
local MAX_ORIGINS = 10  -- per call; an origin is passed over when its due rows have lost their jobs
local now = now_ms()
local expires = now + settings.origin_lease_ms
local due = redis.call('ZRANGE', OUTBOX, '-inf', now, 'BYSCORE', 'LIMIT', 0, MAX_ORIGINS)
for _, origin in ipairs(due) do
  local lease, rows = { origin, expires }, origin_key(origin)
  for _, id in ipairs(redis.call('ZRANGE', rows, '-inf', now, 'BYSCORE', 'LIMIT', 0, args.limit)) do
    if redis.call('EXISTS', record_key(id)) == 1 then
      local attempt = redis.call('HINCRBY', record_key(id), 'webhook_attempts', 1)
      redis.call('ZADD', rows, expires, id)
      local row = redis.call('HGETALL', record_key(id))
      table.insert(row, 1, attempt)
      table.insert(row, 1, id)
      table.insert(lease, row)
    else
      redis.call('ZREM', rows, id)
    end
  end
  if #lease > 2 then redis.call('HSET', ORIGIN_LEASES, origin, expires) end
  schedule_origin(origin)
  if #lease > 2 then return lease end
end
return {}
