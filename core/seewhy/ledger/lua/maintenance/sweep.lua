#!lua flags=allow-oom
-- args: limit -> {examined, 1 | 0: more jobs are overdue, lane, wakeups, lane, wakeups, ...}
local now = now_ms()
local overdue = redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, args.limit)

-- A crash with the job exposed is evidence against the job. Other crashes only count towards a much
-- higher limit. Return why the job fails, or nil.
local function count_crash(id)
  local exposed, fence = read_fields(id, 'exposed', 'fence')
  local crashes = redis.call('HINCRBY', job_key(id), 'crashes', 1)
  if exposed then
    redis.call('HSET', job_key(id), 'crash_fence', fence)
    local evidence = redis.call('HINCRBY', job_key(id), 'exposed_crashes', 1)
    if evidence >= settings.max_exposed_crashes then return settings.worker_lost_detail end
  end
  if crashes >= settings.max_crashes then return settings.crash_limit_detail end
end

-- The pause grows with each crash, so that a machine that crashes all the time does not spin. It is
-- longest after an exposed crash, so that one incident cannot hit the same exposed job twice.
local function pause_ms(crashes, was_exposed)
  if was_exposed then return settings.max_crash_pause_ms end
  if crashes == 1 then return 0 end
  return math.min(settings.recheck_ms * 2 ^ (crashes - 2), settings.max_crash_pause_ms)
end

local function lease_expired(id)
  redis.call('HINCRBY', COUNTERS, 'leases_expired', 1)
  local was_exposed = field(id, 'exposed')
  local failure = count_crash(id)
  if cancel_or_expire(id, now) then return end
  if failure then
    finish(id, 'failed', now, 'error_code', settings.worker_lost, 'error_detail', failure)
    return
  end
  requeue(id)
  redis.call('HSET', job_key(id), 'quarantined', 1)
  local crashes, deadline = read_fields(id, 'crashes', 'deadline_ms')
  local pause = pause_ms(tonumber(crashes), was_exposed)
  if pause > 0 then
    schedule_recheck(id, now, deadline, pause)
  else
    make_ready(id, now)
  end
end

-- Check a duplicate: its original may be gone, or may have finished without an outcome to share.
local function check_duplicate(id, original)
  local state = field(original, 'state')
  if is_open(state) then
    schedule_duplicate(id, now)
  elseif state == 'succeeded' or state == 'failed' then
    share_with_duplicates(original, now)
  else
    reassign(id, original, now)
  end
end

for _, id in ipairs(overdue) do
  local state, duplicate_of, deadline = read_fields(id, 'state', 'duplicate_of', 'deadline_ms')
  if not is_open(state) then  -- expired, or finished earlier in this pass
    redis.call('ZREM', DUE, id)
  elseif state == 'running' then
    lease_expired(id)
  elseif deadline and tonumber(deadline) <= now then
    finish(id, 'expired', now)
  elseif duplicate_of then
    check_duplicate(id, duplicate_of)
  else
    make_ready(id, now)
  end
end

local more = #redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, 1)
local answer = { #overdue, more }
for _, lane in ipairs(redis.call('HKEYS', READY)) do
  table.insert(answer, lane)
  table.insert(answer, wakeups_needed(lane))
end
return answer
