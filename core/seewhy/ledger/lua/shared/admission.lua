-- Queue limits (I7): how many jobs of a lane are open, how much device time those that wait will
-- take, and how fast it passes. The open jobs of each API key are counted too, for its quota.

local MINUTE_MS, MIN_RETRY_MS, MAX_RETRY_MS = 60000, 1000, 60000

local function count_opened(lane, context)
  local who = cjson.decode(context)
  redis.call('HINCRBY', OPEN, lane, 1)
  redis.call('HINCRBY', open_key(lane), who.tenant, 1)
  if who.key_id then redis.call('HINCRBY', OPEN_BY_KEY, who.key_id, 1) end
end

-- Count one less in a hash, which has no fields that are 0.
local function count_down(hash, field)
  if redis.call('HINCRBY', hash, field, -1) == 0 then redis.call('HDEL', hash, field) end
end

local function count_closed(lane, context, was_claimed, cost, now)
  local who = cjson.decode(context)
  local tenant = who.tenant
  redis.call('HINCRBY', OPEN, lane, -1)
  count_down(open_key(lane), tenant)
  if who.key_id then count_down(OPEN_BY_KEY, who.key_id) end
  if was_claimed then
    redis.call('HSET', LAST_FINISH, lane, now)
    local key = throughput_key(lane, math.floor(now / MINUTE_MS))
    redis.call('HINCRBY', key, ALL_TENANTS, cost_in(cost))
    redis.call('HINCRBY', key, tenant, cost_in(cost))
    redis.call('PEXPIRE', key, 3 * MINUTE_MS)
  end
end

local function waiting_cost(lane, tenant)
  return tonumber(redis.call('HGET', ready_cost_key(lane), tenant) or 0)
end

-- What so many jobs cost on average, of those that wait.
local function cost_of_jobs(lane, tenant, jobs)
  local waiting
  if tenant == ALL_TENANTS then
    local ready = tonumber(redis.call('HGET', READY, lane) or 0)
    waiting = ready - redis.call('ZCARD', quarantine_key(lane))
  else
    waiting = redis.call('ZCARD', ready_key(lane, tenant))
  end
  if waiting == 0 then return jobs * settings.pass_cost end
  return math.floor(waiting_cost(lane, tenant) * jobs / waiting)
end

-- The device time of a forward pass of a lane's model, averaged over the reports of its workers.
local function pass_us_of(lane)
  local known = redis.call('HGET', PASS_US, string.match(lane, '^[^:]*'))
  return tonumber(known or settings.assumed_pass_us)
end

-- The cost of the jobs that take so much device time.
local function cost_of_time(lane, device_ms)
  return math.floor(device_ms * 1000 * settings.pass_cost / pass_us_of(lane))
end

-- Estimate from the last minute's throughput when jobs of the cost `excess` will have finished.
local function retry_after_ms(lane, tenant, excess, now)
  local minute = math.floor(now / MINUTE_MS)
  local function finished(which)
    return tonumber(redis.call('HGET', throughput_key(lane, which), tenant) or 0)
  end
  local remaining = (MINUTE_MS - now % MINUTE_MS) / MINUTE_MS
  local per_minute = finished(minute - 1) * remaining + finished(minute)
  if per_minute == 0 then return MAX_RETRY_MS end
  return math.min(math.max(math.ceil(excess * MINUTE_MS / per_minute), MIN_RETRY_MS), MAX_RETRY_MS)
end

-- Jobs that were cancelled, expired or cached cost a tenant nothing, but their records stay. They are
-- counted by the time when they expire, rounded up to a part of the retention.
local RECORD_PARTS, MAX_RECORD_RETRY_MS = 24, 3600000

local function count_uncomputed(tenant, finished, retention_ms, now)
  local key, width = uncomputed_key(tenant), math.ceil(retention_ms / RECORD_PARTS)
  local expires = math.ceil((finished + retention_ms) / width) * width
  if redis.call('HINCRBY', key, expires, 1) > 1 then return end
  for _, at in ipairs(redis.call('HKEYS', key)) do
    if tonumber(at) <= now then redis.call('HDEL', key, at) end
  end
  redis.call('PEXPIRE', key, 2 * math.max(settings.retention_ms, settings.webhook_retention_ms))
end

-- Return how many records the tenant has, and when the first of them expire.
local function uncomputed_records(tenant, now)
  local counts, total, first = redis.call('HGETALL', uncomputed_key(tenant)), 0, math.huge
  for n = 1, #counts, 2 do
    local expires = tonumber(counts[n])
    if expires > now then
      total = total + tonumber(counts[n + 1])
      first = math.min(first, expires)
    end
  end
  return total, first
end

-- Return nil while the jobs that wait take less device time, else as `reached_limit`.
local function backlog_limit(scope, lane, tenant, limit_ms, now)
  local limit, waiting = cost_of_time(lane, limit_ms), waiting_cost(lane, tenant)
  if waiting < limit then return nil end
  return { scope, retry_after_ms(lane, tenant, waiting - math.floor(limit * 9 / 10), now) }
end

-- Return nil while another job fits, else {scope of the limit, retry in ms}. The retry time is when
-- the queue should have shrunk to nine tenths of its limit, or the first records expire.
local function reached_limit(lane, tenant, now)
  local of_tenant = tonumber(redis.call('HGET', open_key(lane), tenant) or 0)
  if of_tenant >= settings.tenant_limit then
    local excess = of_tenant - math.floor(settings.tenant_limit * 9 / 10)
    return { 'tenant', retry_after_ms(lane, tenant, cost_of_jobs(lane, tenant, excess), now) }
  end
  local limit = backlog_limit('tenant', lane, tenant, settings.tenant_backlog_ms, now)
  if limit then return limit end
  local records, first_expires = uncomputed_records(tenant, now)
  if records >= settings.record_limit then
    return { 'records', math.min(first_expires - now, MAX_RECORD_RETRY_MS) }
  end
  local of_lane = tonumber(redis.call('HGET', OPEN, lane) or 0)
  if of_lane >= settings.lane_limit then
    local excess = of_lane - math.floor(settings.lane_limit * 9 / 10)
    local cost = cost_of_jobs(lane, ALL_TENANTS, excess)
    return { 'lane', retry_after_ms(lane, ALL_TENANTS, cost, now) }
  end
  return backlog_limit('lane', lane, ALL_TENANTS, settings.lane_backlog_ms, now)
end
