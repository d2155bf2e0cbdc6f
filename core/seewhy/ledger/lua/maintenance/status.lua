#!lua flags=no-writes
-- args: none -> {{counter, value, ...}, {priority:bucket or priority:sum_ms, value,
--       ...}, {non-terminal jobs, overdue jobs, dead letters, unarchived
--       outcomes, accepting batches, origins, delay in ms, undelivered}, {lane, open, ready, running,
--       cost of the ready, cost of the running, age in ms, running ms, unread wakeups, µs of a pass}, ...}
local now = now_ms()

local function count(hash, name) return tonumber(redis.call('HGET', hash, name) or 0) end

local function age_ms(since) return since and math.max(0, now - tonumber(since)) or 0 end

local function first_score(set) return redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2] end

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
