-- The queues of ready jobs. The tenants of a lane take turns by start-time fair queueing (Goyal, Vin
-- and Cheng, 1996): the tenant with the lowest virtual time goes first, and what its job costs is
-- added to it. The virtual clock of a lane is the virtual time of the last tenant whose turn it was.
-- A tenant without jobs stays in the rotation until the clock has reached its virtual time, so that
-- it gains nothing when it leaves and returns, and loses nothing either.

local ALL_TENANTS = '*'  -- not a valid tenant name

-- A ledger of an earlier version has no clock, but tenants in the rotation.
local function virtual_clock(lane)
  return redis.call('HGET', VIRTUAL_CLOCK, lane)
    or redis.call('ZRANGE', virtual_time_key(lane), 0, 0, 'WITHSCORES')[2] or 0
end

local function enter_rotation(lane, tenant)
  redis.call('ZADD', virtual_time_key(lane), 'NX', virtual_clock(lane), tenant)
end

-- The lane of the same model and priority for long jobs, or for the others. Python: `sibling_lane`.
local function sibling_lane(lane)
  local without, found = string.gsub(lane, ':long$', '')
  return found > 0 and without or lane .. ':long'
end

-- Add to the virtual time of a tenant that is in the rotation. Long jobs and others count together:
-- who has both gets no second share of the device.
local function charge_turn(lane, tenant, cost)
  redis.call('ZADD', virtual_time_key(lane), 'XX', 'INCR', cost, tenant)
  redis.call('ZADD', virtual_time_key(sibling_lane(lane)), 'XX', 'INCR', cost, tenant)
end

-- Charge what a job took beyond what it was expected to take, which may be negative. A tenant that
-- has left the rotation returns to it with what it owes.
local function correct_charge(lane, tenant, difference)
  if difference > 0 then enter_rotation(lane, tenant) end
  charge_turn(lane, tenant, difference)
end

-- Return the tenant whose turn it is, and its next ready job. A tenant without a ready job leaves the
-- rotation.
local function next_turn(lane)
  local first = redis.call('ZRANGE', virtual_time_key(lane), 0, 0, 'WITHSCORES')
  local tenant = first[1]
  if not tenant then return nil end
  redis.call('HSET', VIRTUAL_CLOCK, lane, first[2])
  local id = redis.call('ZRANGE', ready_key(lane, tenant), 0, 0)[1]
  if not id then redis.call('ZREM', virtual_time_key(lane), tenant) end
  return tenant, id
end

local function add_ready(queue, lane, id, sequence)
  if redis.call('ZADD', queue, sequence, id) == 0 then return false end
  redis.call('HINCRBY', READY, lane, 1)
  return true
end

local function remove_ready(queue, lane, id)
  if redis.call('ZREM', queue, id) == 0 then return false end
  redis.call('HINCRBY', READY, lane, -1)
  return true
end

-- The ready jobs of each tenant, and of all, are counted by their cost, without those in quarantine.
-- A tenant's sum is deleted with its queue, so that errors in it do not last.
local function add_to_queue(lane, tenant, id, sequence, cost)
  if not add_ready(ready_key(lane, tenant), lane, id, sequence) then return end
  redis.call('HINCRBY', ready_cost_key(lane), tenant, cost_in(cost))
  redis.call('HINCRBY', ready_cost_key(lane), ALL_TENANTS, cost_in(cost))
end

local function tenants_with_jobs(lane)
  return math.max(1, redis.call('HLEN', ready_cost_key(lane)) - 1)  -- without ALL_TENANTS
end

local function remove_from_queue(lane, tenant, id, cost)
  if not remove_ready(ready_key(lane, tenant), lane, id) then return end
  local key, change = ready_cost_key(lane), 0 - cost_in(cost)
  if redis.call('EXISTS', ready_key(lane, tenant)) == 1 then
    redis.call('HINCRBY', key, tenant, change)
  else
    change = 0 - (redis.call('HGET', key, tenant) or 0)  -- not -x: HINCRBY refuses -0
    redis.call('HDEL', key, tenant)
  end
  if redis.call('HLEN', key) > 1 then
    redis.call('HINCRBY', key, ALL_TENANTS, change)
  else
    redis.call('DEL', key)
  end
end

-- Set when the sweep checks a waiting job next: in `in_ms`, or at its deadline.
local function schedule_recheck(id, now, deadline, in_ms)
  local at = now + in_ms
  if deadline then at = math.min(at, tonumber(deadline)) end
  redis.call('ZADD', DUE, at, id)
end

local ONE_CRASH = 1e14  -- in quarantine, fewer crashes come before any lower sequence number

local function make_ready(id, now)
  local lane, sequence, quarantined, context, deadline, crashes, cost = read_fields(id, 'lane',
    'sequence', 'quarantined', 'context', 'deadline_ms', 'crashes', 'cost')
  if quarantined then
    add_ready(quarantine_key(lane), lane, id, sequence + crashes * ONE_CRASH)
  else
    local tenant = tenant_in(context)
    enter_rotation(lane, tenant)
    add_to_queue(lane, tenant, id, sequence, cost)
  end
  -- Nothing happens to a ready job before its deadline, so the sweep rarely checks it.
  schedule_recheck(id, now, deadline, settings.recheck_ready_ms)
end

local function dequeue(id, lane, tenant, cost)
  remove_from_queue(lane, tenant, id, cost)
  remove_ready(quarantine_key(lane), lane, id)
end

-- Make a running job queued again; the caller decides when it becomes ready.
local function requeue(id)
  local owner, batch, lane, cost = read_fields(id, 'owner', 'batch', 'lane', 'cost')
  unclaim(id, owner, lane, cost)
  redis.call('HSET', job_key(id), 'state', 'queued')
  count_in_batch(batch, 'running', 'queued')
  publish_event(id, 'queued')
end

-- One wakeup per `jobs_per_wakeup` ready jobs, less the messages that no worker has read yet.
local function wakeups_needed(lane)
  local ready = tonumber(redis.call('HGET', READY, lane) or 0)
  local wanted = math.min(math.ceil(ready / settings.jobs_per_wakeup), settings.max_wakeups)
  return math.max(0, wanted - redis.call('LLEN', settings.wakeup_queue_prefix .. lane))
end

-- When the oldest ready job of a lane was submitted; nil without one. Looking at all would take too
-- long: only tenants at each end of the rotation count, and some jobs in quarantine.
local function oldest_ready(lane)
  local SAMPLE, now, oldest = 50, now_ms(), nil
  local function look(queue, jobs)
    for _, id in ipairs(redis.call('ZRANGE', queue, 0, jobs - 1)) do
      local submitted = tonumber(field(id, 'submitted_ms') or now)
      if not oldest or submitted < oldest then oldest = submitted end
    end
  end
  look(quarantine_key(lane), SAMPLE)  -- in the order of their crashes
  local rotation = virtual_time_key(lane)
  for _, range in ipairs({ { 0, SAMPLE - 1 }, { -SAMPLE, -1 } }) do
    for _, tenant in ipairs(redis.call('ZRANGE', rotation, range[1], range[2])) do
      look(ready_key(lane, tenant), 1)
    end
  end
  return oldest
end
