-- args: limit -> {examined, lane, wakeups, lane, wakeups, ...}
local now = now_ms()
local overdue = redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, args.limit)
local lanes = {}

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
  lanes[make_ready(id, now)] = true
end

-- Check a duplicate: its original may be gone, or may have finished without an outcome to share.
local function check_duplicate(id)
  local original = field(id, 'duplicate_of')
  local state = field(original, 'state')
  if is_open(state) then
    schedule_recheck(id, now)
  elseif state == 'succeeded' or state == 'failed' then
    share_outcome(id, original, now)
  else
    detach(id, original)
    if coalesce(id, now) then lanes[make_ready(id, now)] = true end
  end
end

for _, id in ipairs(overdue) do
  local state = field(id, 'state')
  if not is_open(state) then  -- expired, or finished earlier in this pass
    redis.call('ZREM', DUE, id)
  elseif state == 'running' then
    lease_expired(id)
  elseif past_deadline(id, now) then
    finish(id, 'expired', now)
  elseif field(id, 'duplicate_of') then
    check_duplicate(id)
  else
    lanes[make_ready(id, now)] = true
  end
end

local answer = { #overdue }
for lane in pairs(lanes) do
  table.insert(answer, lane)
  table.insert(answer, wakeups_needed(lane))
end
return answer
