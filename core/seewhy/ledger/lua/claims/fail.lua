#!lua flags=allow-oom
-- args: claims [{job_id, fence, code, detail, retry_in_ms?}]
--       -> {{1 | 0, ...}, dispatcher wakeups needed}
local now = now_ms()
local applied = change_claimed(args.claims, function(claim)
  local id = claim.job_id
  local attempts, crashes = read_fields(id, 'attempts', 'crashes')
  if not claim.retry_in_ms or attempts - crashes >= settings.max_attempts then
    finish(id, 'failed', now, 'error_code', claim.code, 'error_detail', claim.detail)
  elseif not cancel_or_expire(id, now) then
    requeue(id)
    redis.call('ZADD', DUE, now + claim.retry_in_ms, id)
  end
end)
return { applied, delivery_added and dispatcher_wakeups_needed(now) or 0 }
