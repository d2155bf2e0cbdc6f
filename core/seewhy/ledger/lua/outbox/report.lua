#!lua flags=allow-oom
-- args: origin, expires_ms, pause_ms,
--       attempts [{job_id, attempt, result, detail, retry_in_ms}] -> 1
-- Undelivered outcomes expire with their records.
local function add_undelivered(id, now)
  trim(UNDELIVERED, now - math.max(settings.retention_ms, settings.webhook_retention_ms))
  redis.call('ZADD', UNDELIVERED, now, id)
end

local origin, now = args.origin, now_ms()
local rows = origin_key(origin)
for _, attempt in ipairs(args.attempts) do
  local id, result = attempt.job_id, attempt.result
  local current = redis.call('HMGET', record_key(id), 'webhook_state', 'webhook_attempts')
  if current[1] == 'pending' and tonumber(current[2]) == attempt.attempt then
    redis.call('HSET', record_key(id), 'webhook_detail', attempt.detail)
    if result == 'retry' then
      redis.call('ZADD', rows, now + attempt.retry_in_ms, id)
    elseif result == 'not_attempted' then
      redis.call('HINCRBY', record_key(id), 'webhook_attempts', -1)
      redis.call('ZADD', rows, now + attempt.retry_in_ms, id)
    else
      redis.call('HSET', record_key(id), 'webhook_state', result)
      redis.call('ZREM', rows, id)
      if result ~= 'delivered' and record_key(id) == job_key(id) then add_undelivered(id, now) end
    end
  end
end
-- An expired holder must not release the new holder's lease.
if tonumber(redis.call('HGET', ORIGIN_LEASES, origin)) == args.expires_ms then
  if args.pause_ms > 0 then
    redis.call('HSET', ORIGIN_LEASES, origin, now + args.pause_ms)
  else
    redis.call('HDEL', ORIGIN_LEASES, origin)
  end
end
schedule_origin(origin)
return 1
