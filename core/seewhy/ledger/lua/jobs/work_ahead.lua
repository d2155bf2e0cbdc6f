#!lua flags=no-writes
-- args: job_id, more -> {} when the job neither waits in a queue nor runs, else {lane,
--       position or 0, quarantined, cost, ahead, urgent, others, running, idle_ms, elapsed_ms, behind}
-- As if `more` further jobs of its tenant came before the job. An estimate when more than
-- MAX_TENANTS tenants have a turn before the job's.
local MAX_TENANTS = 100
local id, now = field(args.job_id, 'duplicate_of') or args.job_id, now_ms()
local lane, context, quarantined, cost = read_fields(id, 'lane', 'context', 'quarantined', 'cost')
if not lane then return {} end
cost = cost_in(cost)

local function number_in(hash, name) return tonumber(redis.call('HGET', hash, name) or 0) end

-- The lanes whose jobs run in turns with those of a lane. Python: `lanes_beside`.
local function lanes_beside(lane)
  local model, long = string.match(lane, '^([^:]+):%a+(:?%a*)$')
  if not model then return {} end
  local suffix = long == '' and ':long' or ''
  return { model .. ':interactive' .. suffix, model .. ':batch' .. suffix }
end

-- The lane whose jobs are claimed first; nil if there is none. Python: `more_urgent_lanes`.
local function more_urgent_lane(lane)
  local urgent, found = string.gsub(lane, '^([^:]+):batch', '%1:interactive')
  return found > 0 and urgent or nil
end

local is_long, others = string.find(lane, ':long$'), 0
for _, name in ipairs(lanes_beside(lane)) do
  others = others + number_in(RUNNING_COST, name)
  if is_long then others = others + number_in(ready_cost_key(name), ALL_TENANTS) end
end
local urgent_lane = more_urgent_lane(lane)
local urgent_running = urgent_lane and number_in(RUNNING_COST, urgent_lane) or 0

-- What all running jobs of the lane cost, and how long ago the lane had its last finish or start.
local count = redis.call('ZCARD', running_key(lane))
local running, idle_ms = number_in(RUNNING_COST, lane), 0
if count > 0 then
  local first = tonumber(redis.call('ZRANGE', running_key(lane), 0, 0, 'WITHSCORES')[2])
  idle_ms = now - math.max(first, number_in(LAST_FINISH, lane))
end

local claimed = redis.call('ZSCORE', running_key(lane), id)
if claimed then
  local before = redis.call('ZCOUNT', running_key(lane), '-inf', claimed)
  running = math.floor(running * before / count) + urgent_running
  return { lane, 0, quarantined and 1 or 0, cost, 0, 0, others, running, idle_ms,
    now - tonumber(claimed), 0 }
end
running = running + urgent_running
if quarantined then
  local rank = redis.call('ZRANK', quarantine_key(lane), id)
  return rank and { lane, rank + 1, 1, cost, 0, 0, others, running, idle_ms, 0, 0 } or {}
end

local tenant = tenant_in(context)
local rank = redis.call('ZRANK', ready_key(lane, tenant), id)
if not rank then return {} end
rank = rank + args.more

-- What comes before the job in its own queue costs what its tenant's jobs cost on average.
local mine = redis.call('ZCARD', ready_key(lane, tenant))
local before = math.floor(number_in(ready_cost_key(lane), tenant) * rank / mine)
local turn = tonumber(redis.call('ZSCORE', virtual_time_key(lane), tenant)) + before

-- How many jobs of another tenant run first, and their cost, if all its jobs cost the same; those
-- with equal virtual time go in order of name.
local function jobs_before(other, virtual_time)
  local lag = turn - tonumber(virtual_time)
  if other == tenant or lag < 0 then return 0, 0 end
  local all = redis.call('ZCARD', ready_key(lane, other))
  local of_all = math.max(1, number_in(ready_cost_key(lane), other))
  if all == 0 then return 0, 0 end
  local turns = math.ceil(lag * all / of_all)
  if other < tenant and turns * of_all == lag * all then turns = turns + 1 end
  local jobs = math.min(all, turns)
  return jobs, math.floor(of_all * jobs / all)
end

-- Up to MAX_TENANTS tenants are counted; of more, as many are taken at equal distances.
local tenants = redis.call('ZCOUNT', virtual_time_key(lane), '-inf', turn)
local scale = math.max(1, tenants / MAX_TENANTS)
local jobs, ahead = 0, 0
for n = 0, math.min(tenants, MAX_TENANTS) - 1 do
  local at = math.floor(n * scale)
  local other = redis.call('ZRANGE', virtual_time_key(lane), at, at, 'WITHSCORES')
  local first, cost_of_first = jobs_before(other[1], other[2])
  jobs, ahead = jobs + first, ahead + cost_of_first
end
ahead = math.floor(ahead * scale) + before
local ready = tonumber(redis.call('HGET', READY, lane) or 0)
local position = math.max(rank + 1, math.min(rank + 1 + math.floor(jobs * scale), ready))
local urgent = urgent_lane and number_in(ready_cost_key(urgent_lane), ALL_TENANTS) or 0
local behind = math.max(0, ready - position)
return { lane, position, 0, cost, ahead, urgent, others, running, idle_ms, 0, behind }
