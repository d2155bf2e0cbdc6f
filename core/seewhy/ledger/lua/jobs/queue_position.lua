-- args: job_id -> the position, counted from 1; 0 when the job is not in a queue
local id = field(args.job_id, 'duplicate_of') or args.job_id
local lane, tenant = field(id, 'lane'), tenant_of(id)
if not lane then return 0 end
if field(id, 'quarantined') then
  return (redis.call('ZRANK', quarantine_key(lane), id) or -1) + 1
end
local rank = redis.call('ZRANK', ready_key(lane, tenant), id)
if not rank then return 0 end
local turn = tonumber(redis.call('ZSCORE', virtual_time_key(lane), tenant)) + rank
local before = 0
local tenants = redis.call('ZRANGE', virtual_time_key(lane), 0, -1, 'WITHSCORES')
for n = 1, #tenants, 2 do
  -- Tenants with equal virtual time go in the order of their names.
  local turns = turn - tonumber(tenants[n + 1]) + (tenants[n] < tenant and 1 or 0)
  local ready = redis.call('ZCARD', ready_key(lane, tenants[n]))
  before = before + math.max(0, math.min(ready, turns))
end
return before + 1
