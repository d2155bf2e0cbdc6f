#!lua flags=allow-oom
-- args: owner, limit, [max_cost], lanes, quarantine_lanes
--       -> {1 | 0, {job id, fence, attempt, lane, job, context, quarantined, waited ms, tenants,
--           may have a result, cost}, ...}
-- max_cost: what the jobs cost together at most, unless there is only one. They cost about the same
-- then (`max_cost_ratio`).
-- tenants: how many had ready jobs in the lane just before; 1 for a job in quarantine.
-- 1: the call passed over `max_skipped` expired jobs and tenants without jobs; there may be more.
local owner, now = args.owner, now_ms()
local answer, skipped = { 0 }, 0
local first_cost, total_cost = nil, 0

local claimed = redis.call('SMEMBERS', claimed_key(owner))
if #claimed == 1 and field(claimed[1], 'quarantined') then return answer end

-- Until when claims and outcomes may have been lost: until now while a rebuild is due.
local lost_until
local function lost_until_ms()
  if lost_until then return lost_until end
  local server, marked = unpack(redis.call('HMGET', EPOCH, 'server', 'marked_ms'))
  lost_until = server and (server == server_id() and tonumber(marked or 0) or now) or -1
  return lost_until
end

-- Return the fence of a new claim, above that of every claim that may have been lost.
local function next_fence(id, is_old)
  local fence = redis.call('HINCRBY', job_key(id), 'fence', 1)
  if not is_old or fence >= now then return fence end
  redis.call('HSET', job_key(id), 'fence', now)
  return now
end

local function take(lane, id, tenant, cost, tenants)
  if past_deadline(id, now) then
    finish(id, 'expired', now)
    return false
  end
  local is_old = tonumber(field(id, 'submitted_ms') or now) <= lost_until_ms()
  local fence = next_fence(id, is_old)
  local attempt = redis.call('HINCRBY', job_key(id), 'attempts', 1)
  redis.call('HSET', job_key(id), 'state', 'running', 'owner', owner)
  redis.call('HSETNX', job_key(id), 'started_ms', now)
  redis.call('SADD', claimed_key(owner), id)
  redis.call('ZADD', DUE, now + settings.lease_ms, id)
  publish_event(id, 'running')
  local job, context, quarantined, batch, submitted =
    read_fields(id, 'job', 'context', 'quarantined', 'batch', 'submitted_ms')
  redis.call('ZADD', running_key(lane), now, id)
  redis.call('HINCRBY', RUNNING_COST, lane, cost_in(cost))
  charge_turn(lane, tenant, cost_in(cost))
  count_in_batch(batch, 'queued', 'running')
  local waited_ms = math.max(0, now - tonumber(submitted or now))
  table.insert(answer, { id, fence, attempt, lane, job, context, quarantined and 1 or 0,
    waited_ms, tenants, is_old and 1 or 0, cost_in(cost) })
  first_cost = first_cost or cost_in(cost)
  total_cost = total_cost + cost_in(cost)
  return true
end

local function fits(cost)
  if not args.max_cost or not first_cost then return true end
  local lower, higher = math.min(cost, first_cost), math.max(cost, first_cost)
  return total_cost + cost <= args.max_cost and higher <= settings.max_cost_ratio * lower
end

-- Return whether the call must stop.
local function skip()
  skipped = skipped + 1
  if skipped == settings.max_skipped then answer[1] = 1 end
  return answer[1] == 1
end

-- Quarantined jobs first. Each runs alone, so that it cannot take other jobs down with it (I2).
for _, lane in ipairs(args.quarantine_lanes) do
  local queue = quarantine_key(lane)
  local id = redis.call('ZRANGE', queue, 0, 0)[1]
  while id do
    if #claimed > 0 then return answer end
    remove_ready(queue, lane, id)
    if take(lane, id, tenant_of(id), field(id, 'cost'), 1) or skip() then return answer end
    id = redis.call('ZRANGE', queue, 0, 0)[1]
  end
end

for _, lane in ipairs(args.lanes) do
  while #answer <= args.limit do
    local tenant, id = next_turn(lane)
    if not tenant then break end
    local took = false
    if id then
      local cost, tenants = field(id, 'cost'), tenants_with_jobs(lane)
      if not fits(cost_in(cost)) then return answer end
      remove_from_queue(lane, tenant, id, cost)
      took = take(lane, id, tenant, cost, tenants)
    end
    if not took and skip() then return answer end
  end
end
return answer
