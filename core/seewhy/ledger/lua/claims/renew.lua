#!lua flags=allow-oom
-- args: claims [{job_id, fence}] -> {'held' | 'cancel' | 'lost', ...}
local now = now_ms()
local statuses = {}
for n, claim in ipairs(args.claims) do
  local id = claim.job_id
  if not is_current(claim) then
    statuses[n] = 'lost'
  elseif past_deadline(id, now) then
    finish(id, 'expired', now)
    statuses[n] = 'lost'
  else
    redis.call('ZADD', DUE, now + settings.lease_ms, id)
    statuses[n] = field(id, 'cancel_requested') and 'cancel' or 'held'
  end
end
return statuses
