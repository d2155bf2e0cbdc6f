-- ARGV: policy, origin, when the turn is over, pause in ms,
-- {job id, attempt, verdict, detail, retry in ms or ''}... -> 1
-- Verdicts: delivered, refused, exhausted, retry, untried.
local origin, pause, now = ARGV[2], tonumber(ARGV[4]), now_ms()
for n = 5, #ARGV, 5 do
  local id, verdict, delay = ARGV[n], ARGV[n + 2], tonumber(ARGV[n + 4])
  if field(id, 'webhook_state') == 'pending' and field(id, 'webhook_attempts') == ARGV[n + 1] then
    redis.call('HSET', job_key(id), 'webhook_detail', ARGV[n + 3])
    if verdict == 'retry' then
      redis.call('ZADD', rows_key(origin), now + delay, id)
    elseif verdict == 'untried' then
      redis.call('HINCRBY', job_key(id), 'webhook_attempts', -1)
      redis.call('ZADD', rows_key(origin), now, id)
    else
      redis.call('HSET', job_key(id), 'webhook_state', verdict)
      redis.call('ZREM', rows_key(origin), id)
      if verdict ~= 'delivered' then redis.call('ZADD', UNDELIVERED, now, id) end
    end
  end
end
-- Who has slept through his turn does not let others in beside the one who took over.
if redis.call('HGET', COURIERS, origin) == ARGV[3] then
  if pause > 0 then
    redis.call('HSET', COURIERS, origin, now + pause)
  else
    redis.call('HDEL', COURIERS, origin)
  end
end
readdress(origin)
return 1
