-- How many jobs of a lane have not ended, how fast they end, and whether there is room for more.

local MINUTE_MS, SHORTEST_MS, LONGEST_MS = 60000, 1000, 60000
local ALL = '*'  -- no tenant is called so

local function pace_key(lane, minute) return 'seewhy:pace:' .. lane .. ':' .. minute end

local function enter(lane, tenant)
  redis.call('HINCRBY', OPEN, lane, 1)
  redis.call('HINCRBY', open_key(lane), tenant, 1)
end

local function leave(id, now)
  local lane, tenant = field(id, 'lane'), tenant_of(id)
  redis.call('HINCRBY', OPEN, lane, -1)
  if redis.call('HINCRBY', open_key(lane), tenant, -1) == 0 then
    redis.call('HDEL', open_key(lane), tenant)
  end
  if field(id, 'started_ms') then
    local key = pace_key(lane, math.floor(now / MINUTE_MS))
    redis.call('HINCRBY', key, ALL, 1)
    redis.call('HINCRBY', key, tenant, 1)
    redis.call('PEXPIRE', key, 3 * MINUTE_MS)
  end
end

-- In how many ms the queue will have shrunk to nine tenths of its limit, at the last minute's pace.
local function shrunk_in(lane, whose, over, now)
  local minute = math.floor(now / MINUTE_MS)
  local function ended(which) return tonumber(redis.call('HGET', pace_key(lane, which), whose) or 0) end
  local a_minute = ended(minute - 1) * (MINUTE_MS - now % MINUTE_MS) / MINUTE_MS + ended(minute)
  if a_minute == 0 then return LONGEST_MS end
  return math.min(math.max(math.ceil(over * MINUTE_MS / a_minute), SHORTEST_MS), LONGEST_MS)
end

-- Returns nothing while there is room, else {which limit, when to come back, in ms}.
local function crowded(lane, tenant, now)
  local of_tenant = tonumber(redis.call('HGET', open_key(lane), tenant) or 0)
  if of_tenant >= policy.tenant_limit then
    local over = of_tenant - math.floor(policy.tenant_limit * 9 / 10)
    return { 'tenant', shrunk_in(lane, tenant, over, now) }
  end
  local of_lane = tonumber(redis.call('HGET', OPEN, lane) or 0)
  if of_lane >= policy.lane_limit then
    local over = of_lane - math.floor(policy.lane_limit * 9 / 10)
    return { 'lane', shrunk_in(lane, ALL, over, now) }
  end
end
