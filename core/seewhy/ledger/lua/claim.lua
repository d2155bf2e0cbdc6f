-- ARGV: policy, owner, limit, lane... -> {{job id, fence, attempt, lane, job}, ...}
local owner, limit = ARGV[2], tonumber(ARGV[3])
local now = now_ms()
local taken = {}

local held = redis.call('SMEMBERS', held_key(owner))
if #held == 1 and field(held[1], 'alone') then return taken end

local function take(queue, lane, id)
  redis.call('ZREM', queue, id)
  if past_deadline(id, now) then
    settle(id, 'expired', now)
    return
  end
  local fence = redis.call('HINCRBY', job_key(id), 'fence', 1)
  local attempt = redis.call('HINCRBY', job_key(id), 'attempts', 1)
  redis.call('HSET', job_key(id), 'state', 'running', 'owner', owner)
  redis.call('HSETNX', job_key(id), 'started_ms', now)
  redis.call('SADD', held_key(owner), id)
  redis.call('ZADD', DUE, now + policy.lease_ms, id)
  announce(id, 'running')
  table.insert(taken, { id, fence, attempt, lane, field(id, 'job') })
end

-- Suspects first: each runs with nothing beside it, so that it can take only itself along.
for n = 4, #ARGV do
  local queue = alone_key(ARGV[n])
  local suspect = redis.call('ZRANGE', queue, 0, 0)[1]
  while suspect do
    if #held > 0 then return taken end
    take(queue, ARGV[n], suspect)
    if #taken == 1 then return taken end
    suspect = redis.call('ZRANGE', queue, 0, 0)[1]
  end
end

for n = 4, #ARGV do
  while #taken < limit do
    local id, tenant = next_ready(ARGV[n])
    if not id then break end
    take(lane_key(ARGV[n], tenant), ARGV[n], id)
  end
end
return taken
