-- ARGV: policy, limit -> {examined, lane, rings, lane, rings, ...}
local now = now_ms()
local overdue = redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, ARGV[2])
local lanes = {}

local function crashed(id)
  redis.call('HINCRBY', job_key(id), 'crashes', 1)
  if called_off(id, now) then return end
  if tonumber(field(id, 'attempts')) >= policy.max_attempts then
    settle(id, 'failed', now, 'error_code', 'worker_lost',
      'error_detail', 'The worker died or fell silent on every attempt.')
    return
  end
  requeue(id)
  redis.call('HSET', job_key(id), 'alone', 1)
  lanes[make_ready(id, now)] = true
end

-- Judge again a job that waits for another's outcome: the other may have gone without one.
local function follow_up(id)
  local leader = field(id, 'follows')
  local state = field(leader, 'state')
  if is_open(state) then
    look_again(id, now)
  elseif state == 'succeeded' or state == 'failed' then
    share(id, leader, now)
  else
    unfollow(id)
    if board(id, now) then lanes[make_ready(id, now)] = true end
  end
end

for _, id in ipairs(overdue) do
  local state = field(id, 'state')
  if not is_open(state) then  -- forgotten, or given an outcome earlier in this very pass
    redis.call('ZREM', DUE, id)
  elseif state == 'running' then
    crashed(id)
  elseif past_deadline(id, now) then
    settle(id, 'expired', now)
  elseif field(id, 'follows') then
    follow_up(id)
  else
    lanes[make_ready(id, now)] = true
  end
end

local answer = { #overdue }
for lane in pairs(lanes) do
  table.insert(answer, lane)
  table.insert(answer, hints_wanted(lane))
end
return answer
