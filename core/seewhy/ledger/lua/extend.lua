-- ARGV: policy, {job id, fence}... -> {'held' | 'cancel' | 'lost', ...}
local now = now_ms()
local holds = {}
for n = 2, #ARGV, 2 do
  local id = ARGV[n]
  if field(id, 'state') ~= 'running' or field(id, 'fence') ~= ARGV[n + 1] then
    table.insert(holds, 'lost')
  elseif past_deadline(id, now) then
    settle(id, 'expired', now)
    table.insert(holds, 'lost')
  else
    redis.call('ZADD', DUE, now + policy.lease_ms, id)
    table.insert(holds, field(id, 'cancel') and 'cancel' or 'held')
  end
end
return holds
