-- Where ready jobs wait. The tenants of a lane take turns, one job a turn, however long their queues
-- are: start-time fair queueing (Goyal, Vin and Cheng, 1996) of jobs of one length. Who has just had
-- a turn keeps it in mind while another waits, so that leaving and coming back gains nothing.

local function join(lane, tenant)
  local first = redis.call('ZRANGE', turns_key(lane), 0, 0, 'WITHSCORES')
  redis.call('ZADD', turns_key(lane), 'NX', first[2] or 0, tenant)
end

local function next_ready(lane)
  while true do
    local tenant = redis.call('ZRANGE', turns_key(lane), 0, 0)[1]
    if not tenant then return nil end
    local id = redis.call('ZRANGE', lane_key(lane, tenant), 0, 0)[1]
    if id then
      redis.call('ZINCRBY', turns_key(lane), 1, tenant)
      return id, tenant
    end
    redis.call('ZREM', turns_key(lane), tenant)
  end
end

-- The older a waiting job, the less often it is looked at: a long backlog stays cheap.
local function look_again(id, now)
  local age = now - tonumber(field(id, 'submitted_ms'))
  local at = now + math.max(policy.look_ms, math.min(age, policy.look_limit_ms))
  local deadline = field(id, 'deadline_ms')
  if deadline then at = math.min(at, tonumber(deadline)) end
  redis.call('ZADD', DUE, at, id)
end

local function make_ready(id, now)
  local lane, tenant = field(id, 'lane'), tenant_of(id)
  if field(id, 'alone') then
    redis.call('ZADD', alone_key(lane), field(id, 'place'), id)
  else
    join(lane, tenant)
    redis.call('ZADD', lane_key(lane, tenant), field(id, 'place'), id)
  end
  look_again(id, now)
  return lane
end

local function unqueue(id)
  local lane = field(id, 'lane')
  redis.call('ZREM', lane_key(lane, tenant_of(id)), id)
  redis.call('ZREM', alone_key(lane), id)
end

local function requeue(id)
  unclaim(id)
  redis.call('HSET', job_key(id), 'state', 'queued')
  announce(id, 'queued')
end

-- One hint per so many waiting jobs, less the hints that nobody has taken from the broker yet.
local function hints_wanted(lane)
  local waiting, enough = redis.call('ZCARD', alone_key(lane)), policy.hint_every * policy.hints_at_most
  for _, tenant in ipairs(redis.call('ZRANGE', turns_key(lane), 0, -1)) do
    if waiting >= enough then break end
    waiting = waiting + redis.call('ZCARD', lane_key(lane, tenant))
  end
  local wanted = math.min(math.ceil(waiting / policy.hint_every), policy.hints_at_most)
  return math.max(0, wanted - redis.call('LLEN', 'seewhy:hints:' .. lane))
end
