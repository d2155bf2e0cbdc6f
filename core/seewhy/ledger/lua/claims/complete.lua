#!lua flags=allow-oom
-- args: claims [{job_id, fence, job, result, cost?, stored_fence?}] -> {{1 | 0, ...}, dispatcher wakeups needed}
local now = now_ms()
local applied = change_claimed(args.claims, function(claim)
  if claim.cost then
    local lane, context, cost = read_fields(claim.job_id, 'lane', 'context', 'cost')
    correct_charge(lane, tenant_in(context), claim.cost - cost_in(cost))
  end
  local stored = claim.stored_fence and { 'fence', claim.stored_fence } or {}
  finish(claim.job_id, 'succeeded', now, 'job', claim.job, 'result', claim.result,
    unpack(stored))
end)
return { applied, delivery_added and dispatcher_wakeups_needed(now) or 0 }
