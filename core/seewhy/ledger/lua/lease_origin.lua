-- ARGV: policy, limit -> {} or {origin, when the turn is over, {job id, attempt, field, value, ...}, ...}
local limit, now = ARGV[2], now_ms()
for _, origin in ipairs(redis.call('ZRANGE', OUTBOX, '-inf', now, 'BYSCORE')) do
  if tonumber(redis.call('HGET', COURIERS, origin) or 0) <= now then
    local turn = { origin, now + policy.turn_ms }
    for _, id in ipairs(redis.call('ZRANGE', rows_key(origin), '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)) do
      if redis.call('EXISTS', job_key(id)) == 1 then
        local attempt = redis.call('HINCRBY', job_key(id), 'webhook_attempts', 1)
        redis.call('ZADD', rows_key(origin), now + policy.turn_ms, id)
        local row = redis.call('HGETALL', job_key(id))
        table.insert(row, 1, attempt)
        table.insert(row, 1, id)
        table.insert(turn, row)
      else
        redis.call('ZREM', rows_key(origin), id)
      end
    end
    readdress(origin)
    if #turn > 2 then
      redis.call('HSET', COURIERS, origin, now + policy.turn_ms)
      return turn
    end
  end
end
return {}
