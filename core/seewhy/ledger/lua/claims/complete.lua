#!lua flags=allow-oom
-- args: claims [{job_id, fence, result}] -> {{1 | 0, ...}, dispatcher wakeups needed}
local now = now_ms()
local applied = change_claimed(args.claims, function(claim)
  finish(claim.job_id, 'succeeded', now, 'result', claim.result)
end)
return { applied, delivery_added and dispatcher_wakeups_needed(now) or 0 }
