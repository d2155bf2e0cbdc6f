-- The quotas of API keys. What a key used is counted in steps of ten seconds. All steps that the last
-- minute touches count in full: in no 60 seconds does a key get more than its quota of a minute.

local STEP_MS, STEPS = 10000, 6

local function step_of(now) return math.floor(now / STEP_MS) end

-- When the last minute no longer touches a step.
local function ends_in_ms(step, now) return (step + STEPS + 1) * STEP_MS - now end

-- Return what a key used in the last minute, by step, the oldest first.
local function recent_use(key_id, name, now)
  local use = { total = 0 }
  for step = step_of(now) - STEPS, step_of(now) do
    local amount = tonumber(redis.call('HGET', quota_key(key_id, step), name) or 0)
    use.total = use.total + amount
    table.insert(use, { step = step, amount = amount })
  end
  return use
end

-- Return how long until `cost` fits; 0 when it fits now.
local function fits_in_ms(use, quota, cost, now)
  local excess = use.total + cost - quota
  local wait = 0
  for _, used in ipairs(use) do
    if excess <= 0 then break end
    excess = excess - used.amount
    wait = ends_in_ms(used.step, now)
  end
  return wait
end

local function remaining(key_id, name, quota, now)
  local use = recent_use(key_id, name, now)
  for _, used in ipairs(use) do
    if used.amount > 0 then
      return { math.max(quota - use.total, 0), ends_in_ms(used.step, now) }
    end
  end
  return { quota, 0 }
end

-- Return nil while the charge fits, else {name of the quota, retry in ms, what is left of it}.
local function reached_quota(charge, lane, tenant, now)
  local key_id, quotas = charge.key_id, charge.quotas
  local open = tonumber(redis.call('HGET', OPEN_BY_KEY, key_id) or 0)
  if open >= quotas.open_jobs then
    local excess = open - math.floor(quotas.open_jobs * 9 / 10)
    return { 'open-jobs', retry_after_ms(lane, tenant, excess, now), 0 }
  end
  local costs = {
    { 'submissions', quotas.submissions_per_minute, 1 },
    { 'forward-passes', quotas.passes_per_minute, charge.passes },
  }
  for _, cost in ipairs(costs) do
    local use = recent_use(key_id, cost[1], now)
    local wait = fits_in_ms(use, cost[2], cost[3], now)
    if wait > 0 then return { cost[1], wait, math.max(cost[2] - use.total, 0) } end
  end
end

-- Take a submission, and its passes if it must be computed; return what is left.
local function take_quota(charge, computes, now)
  local key_id, quotas = charge.key_id, charge.quotas
  local key = quota_key(key_id, step_of(now))
  redis.call('HINCRBY', key, 'submissions', 1)
  if computes then redis.call('HINCRBY', key, 'forward-passes', charge.passes) end
  redis.call('PEXPIRE', key, (STEPS + 1) * STEP_MS)
  return {
    remaining(key_id, 'submissions', quotas.submissions_per_minute, now),
    remaining(key_id, 'forward-passes', quotas.passes_per_minute, now),
  }
end
