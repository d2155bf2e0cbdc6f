-- args: owner, limit, lanes -> {{job id, fence, attempt, lane, job}, ...}
local owner, now = args.owner, now_ms()
local taken = {}

local claimed = redis.call('SMEMBERS', claimed_key(owner))
if #claimed == 1 and field(claimed[1], 'quarantined') then return taken end

local function take(queue, lane, id)
  redis.call('ZREM', queue, id)
  if past_deadline(id, now) then
    finish(id, 'expired', now)
    return
  end
  local fence = redis.call('HINCRBY', job_key(id), 'fence', 1)
  local attempt = redis.call('HINCRBY', job_key(id), 'attempts', 1)
  redis.call('HSET', job_key(id), 'state', 'running', 'owner', owner)
  redis.call('HSETNX', job_key(id), 'started_ms', now)
  redis.call('SADD', claimed_key(owner), id)
  redis.call('ZADD', DUE, now + settings.lease_ms, id)
  publish_event(id, 'running')
  table.insert(taken, { id, fence, attempt, lane, field(id, 'job') })
end

-- Quarantined jobs first. Each runs alone, so that it cannot take other jobs down with it (I2).
for _, lane in ipairs(args.lanes) do
  local queue = quarantine_key(lane)
  local id = redis.call('ZRANGE', queue, 0, 0)[1]
  while id do
    if #claimed > 0 then return taken end
    take(queue, lane, id)
    if #taken == 1 then return taken end
    id = redis.call('ZRANGE', queue, 0, 0)[1]
  end
end

for _, lane in ipairs(args.lanes) do
  while #taken < args.limit do
    local id, tenant = next_ready(lane)
    if not id then break end
    take(ready_key(lane, tenant), lane, id)
  end
end
return taken
