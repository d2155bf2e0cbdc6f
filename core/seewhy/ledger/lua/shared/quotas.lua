-- The quotas of API keys. What a key used is counted in steps of ten seconds. All steps that the last
-- minute touches count in full: in no 60 seconds does a key get more than its quota of a minute.

local STEP_MS, STEPS = 10000, 6
local SUBMISSIONS, PASSES = 'submissions', 'forward-passes'
local UPLOADS, UPLOADED_BYTES = 'uploads', 'uploaded-bytes'

local function step_of(now) return math.floor(now / STEP_MS) end

-- When the last minute no longer touches a step.
local function ends_in_ms(step, now) return (step + STEPS + 1) * STEP_MS - now end

-- Return what a key used in the last minute: for each quota, by default of submissions, the amounts
-- by step, the oldest first, and their total.
local function recent_use(key_id, now, names)
  names = names or { SUBMISSIONS, PASSES }
  local use = {}
  for _, name in ipairs(names) do use[name] = { total = 0 } end
  for step = step_of(now) - STEPS, step_of(now) do
    local amounts = redis.call('HMGET', quota_key(key_id, step), unpack(names))
    for n, name in ipairs(names) do
      local amount = tonumber(amounts[n] or 0)
      use[name].total = use[name].total + amount
      table.insert(use[name], { step = step, amount = amount })
    end
  end
  return use
end

-- Return how long until `cost` fits; 0 when it fits now.
local function fits_in_ms(used, quota, cost, now)
  local excess = used.total + cost - quota
  local wait = 0
  for _, of_step in ipairs(used) do
    if excess <= 0 then break end
    excess = excess - of_step.amount
    wait = ends_in_ms(of_step.step, now)
  end
  return wait
end

-- Return nil while costs {name, quota, amount} fit, else {name, retry in ms, what is left}.
local function reached_of(costs, use, now)
  for _, cost in ipairs(costs) do
    local name, quota = cost[1], cost[2]
    local wait = fits_in_ms(use[name], quota, cost[3], now)
    if wait > 0 then return { name, wait, math.max(quota - use[name].total, 0) } end
  end
end

-- The costs of a submission that takes these passes.
local function costs_of(quotas, passes)
  return {
    { SUBMISSIONS, quotas.submissions_per_minute, 1 },
    { PASSES, quotas.passes_per_minute, passes },
  }
end

-- Return nil while the charge fits, else {name of the quota, retry in ms, what is left of it}.
local function reached_quota(charge, use, lane, tenant, now)
  local quotas = charge.quotas
  local open = tonumber(redis.call('HGET', OPEN_BY_KEY, charge.key_id) or 0)
  if open >= quotas.open_jobs then
    local excess = open - math.floor(quotas.open_jobs * 9 / 10)
    local cost = cost_of_jobs(lane, tenant, excess)
    return { 'open-jobs', retry_after_ms(lane, tenant, cost, now), 0 }
  end
  return reached_of(costs_of(quotas, charge.passes), use, now)
end

-- Take an amount from a quota; return what is left, and when some of what was used is free again.
local function take(key, name, used, quota, amount, now)
  if amount > 0 then redis.call('HINCRBY', key, name, amount) end
  local latest = used[#used]
  latest.amount, used.total = latest.amount + amount, used.total + amount
  for _, of_step in ipairs(used) do
    if of_step.amount > 0 then
      return { math.max(quota - used.total, 0), ends_in_ms(of_step.step, now) }
    end
  end
  return { quota, 0 }
end

-- Take costs; return what is left of each quota.
local function take_all(key_id, costs, use, now)
  local key, left = quota_key(key_id, step_of(now)), {}
  for n, cost in ipairs(costs) do
    left[n] = take(key, cost[1], use[cost[1]], cost[2], cost[3], now)
  end
  redis.call('PEXPIRE', key, (STEPS + 1) * STEP_MS)
  return left
end

-- Take a submission, and its passes if it must be computed; return what is left. A duplicate owes
-- its passes.
local function take_quota(id, charge, use, computes, now)
  local passes = computes and charge.passes or 0
  if not computes then redis.call('HSET', job_key(id), 'owed_passes', charge.passes) end
  return take_all(charge.key_id, costs_of(charge.quotas, passes), use, now)
end

-- Take what a duplicate owes when it must be computed after all, even beyond the quota, because it
-- was accepted. Otherwise a client could cancel one original after another and pay for the first.
local function take_owed(id, now)
  local passes, context = read_fields(id, 'owed_passes', 'context')
  if not passes then return end
  local key = quota_key(cjson.decode(context).key_id, step_of(now))
  redis.call('HINCRBY', key, PASSES, passes)
  redis.call('PEXPIRE', key, (STEPS + 1) * STEP_MS)
  redis.call('HDEL', job_key(id), 'owed_passes')
end
