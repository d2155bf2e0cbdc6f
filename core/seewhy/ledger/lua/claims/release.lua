#!lua flags=allow-oom
-- args: claims [{job_id, fence}], retry_in_ms -> {1 | 0, ...}
local now = now_ms()
return change_claimed(args.claims, function(claim)
  local id = claim.job_id
  redis.call('HINCRBY', job_key(id), 'attempts', -1)
  local lane, context, cost = read_fields(id, 'lane', 'context', 'cost')
  charge_turn(lane, tenant_in(context), -cost_in(cost))
  if cancel_or_expire(id, now) then return end
  requeue(id)
  if args.retry_in_ms > 0 then
    redis.call('ZADD', DUE, now + args.retry_in_ms, id)
  else
    make_ready(id, now)
  end
end)
