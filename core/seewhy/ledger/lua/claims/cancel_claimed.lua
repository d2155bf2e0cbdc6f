#!lua flags=allow-oom
-- args: claims [{job_id, fence}] -> {1 | 0, ...}
local now = now_ms()
return change_claimed(args.claims, function(claim)
  if not field(claim.job_id, 'cancel_requested') then return false end
  finish(claim.job_id, 'cancelled', now)
end)
