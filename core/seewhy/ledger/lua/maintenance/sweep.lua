-- args: limit -> {examined, 1 | 0: more jobs are overdue, lane, wakeups, lane, wakeups, ...}
local now = now_ms()
local overdue = redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, args.limit)

local function lease_expired(id)
  redis.call('HINCRBY', job_key(id), 'crashes', 1)
  if cancel_or_expire(id, now) then return end
  if tonumber(field(id, 'attempts')) >= settings.max_attempts then
    finish(id, 'failed', now, 'error_code', settings.worker_lost,
      'error_detail', settings.worker_lost_detail)
    return
  end
  requeue(id)
  redis.call('HSET', job_key(id), 'quarantined', 1)
  make_ready(id, now)
end

-- Check a duplicate: its original may be gone, or may have finished without an outcome to share.
local function check_duplicate(id, original)
  local state = field(original, 'state')
  if is_open(state) then
    schedule_duplicate(id, now)
  elseif state == 'succeeded' or state == 'failed' then
    share_with_duplicates(original, now)
  else
    detach(id, original)
    if coalesce(id, now) then make_ready(id, now) end
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
