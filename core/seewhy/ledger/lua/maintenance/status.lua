#!lua flags=no-writes
-- args: none -> {{counter, value, ...}, {priority:bucket or priority:sum_ms, value,
--       ...}, {non-terminal jobs, overdue jobs, dead letters, unarchived
--       outcomes, accepting batches, origins, delay in ms, undelivered}, {lane, open, ready, running,
--       cost of the ready, cost of the running, age in ms, running ms, unread wakeups, µs of a pass}, ...}
-- Looking at all would take too long: tenants at each end of the rotation, and quarantined jobs.
local SAMPLE = 50
local now = now_ms()

local function count(hash, name) return tonumber(redis.call('HGET', hash, name) or 0) end

local function age_ms(since) return since and math.max(0, now - tonumber(since)) or 0 end

local function first_score(set) return redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2] end

local function oldest_ready(lane)
  local oldest
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

local answer = {
  redis.call('HGETALL', COUNTERS),
  redis.call('HGETALL', DURATIONS),
  {
    redis.call('ZCARD', DUE),
    redis.call('ZCOUNT', DUE, '-inf', now),
    redis.call('ZCARD', DEAD_LETTERS),
    redis.call('ZCARD', UNARCHIVED),
    redis.call('ZCARD', BATCHES_DUE),
    redis.call('ZCARD', OUTBOX),
    age_ms(first_score(OUTBOX)),
    redis.call('ZCARD', UNDELIVERED),
  },
}
for _, lane in ipairs(redis.call('HKEYS', OPEN)) do
  local open = count(OPEN, lane)
  if open > 0 then
    table.insert(answer, {
      lane,
      open,
      count(READY, lane),
      redis.call('ZCARD', running_key(lane)),
      count(ready_cost_key(lane), ALL_TENANTS),
      count(RUNNING_COST, lane),
      age_ms(oldest_ready(lane)),
      age_ms(first_score(running_key(lane))),
      redis.call('LLEN', settings.wakeup_queue_prefix .. lane),
      pass_us_of(lane),
    })
  end
end
return answer
