-- ARGV: policy -> how many hints the origins still lack on which a courier could call now
local now, wanted = now_ms(), 0
for _, origin in ipairs(redis.call('ZRANGE', OUTBOX, '-inf', now, 'BYSCORE')) do
  if tonumber(redis.call('HGET', COURIERS, origin) or 0) <= now then wanted = wanted + 1 end
  if wanted == policy.hints_at_most then break end
end
return math.max(0, wanted - redis.call('LLEN', ARGV[2]))
