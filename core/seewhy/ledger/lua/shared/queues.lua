-- The queues of ready jobs. The tenants of a lane take turns, one job each, by start-time fair
-- queueing (Goyal, Vin and Cheng, 1996) with jobs of equal cost: the tenant with the lowest virtual
-- time goes first. A tenant that leaves and returns keeps its virtual time while others wait.

local function enter_rotation(lane, tenant)
  local first = redis.call('ZRANGE', virtual_time_key(lane), 0, 0, 'WITHSCORES')
  redis.call('ZADD', virtual_time_key(lane), 'NX', first[2] or 0, tenant)
end

-- Return the next ready job and its tenant, and charge the tenant one turn.
local function next_ready(lane)
  while true do
    local tenant = redis.call('ZRANGE', virtual_time_key(lane), 0, 0)[1]
    if not tenant then return nil end
    local id = redis.call('ZRANGE', ready_key(lane, tenant), 0, 0)[1]
    if id then
      redis.call('ZINCRBY', virtual_time_key(lane), 1, tenant)
      return id, tenant
    end
    redis.call('ZREM', virtual_time_key(lane), tenant)
  end
end

-- The older a waiting job, the less often the sweep checks it: a long backlog stays cheap.
local function schedule_recheck(id, now)
  local submitted, deadline = read_fields(id, 'submitted_ms', 'deadline_ms')
  local age = now - tonumber(submitted)
  local at = now + math.max(settings.recheck_ms, math.min(age, settings.recheck_max_ms))
  if deadline then at = math.min(at, tonumber(deadline)) end
  redis.call('ZADD', DUE, at, id)
end

local function make_ready(id, now)
  local lane, sequence, quarantined, context =
    read_fields(id, 'lane', 'sequence', 'quarantined', 'context')
  if quarantined then
    redis.call('ZADD', quarantine_key(lane), sequence, id)
  else
    local tenant = tenant_in(context)
    enter_rotation(lane, tenant)
    redis.call('ZADD', ready_key(lane, tenant), sequence, id)
  end
  schedule_recheck(id, now)
  return lane
end

local function dequeue(id, lane, tenant)
  redis.call('ZREM', ready_key(lane, tenant), id)
  redis.call('ZREM', quarantine_key(lane), id)
end

-- Make a running job queued again; the caller decides when it becomes ready.
local function requeue(id)
  unclaim(id, field(id, 'owner'))
  redis.call('HSET', job_key(id), 'state', 'queued')
  publish_event(id, 'queued')
end

-- One wakeup per `jobs_per_wakeup` ready jobs, less the messages that no worker has read yet.
local function wakeups_needed(lane)
  local ready = redis.call('ZCARD', quarantine_key(lane))
  local enough = settings.jobs_per_wakeup * settings.max_wakeups
  for _, tenant in ipairs(redis.call('ZRANGE', virtual_time_key(lane), 0, -1)) do
    if ready >= enough then break end
    ready = ready + redis.call('ZCARD', ready_key(lane, tenant))
  end
  local wanted = math.min(math.ceil(ready / settings.jobs_per_wakeup), settings.max_wakeups)
  return math.max(0, wanted - redis.call('LLEN', settings.wakeup_queue_prefix .. lane))
end
