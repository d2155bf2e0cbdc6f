-- How a job gets its outcome, and what follows from it.

local SHARED_AT_ONCE = 1000
local settle  -- an outcome may be shared with followers, and each of them is settled in turn

-- A dead letter is kept as long as the record it stands for.
local function mourn(id, now)
  redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', now - policy.retention_ms)
  redis.call('ZADD', DEAD, now, id)
end

local function unfollow(id)
  local leader = field(id, 'follows')
  if leader then
    redis.call('ZREM', followers_key(leader), id)
    redis.call('HDEL', job_key(id), 'follows')
  end
end

-- Give a job the outcome of the one that computed what it asks for.
local function share(id, leader, now)
  if field(leader, 'state') == 'succeeded' then
    settle(id, 'succeeded', now, 'cached', 1, 'result', field(leader, 'result') or '')
  else
    settle(id, 'failed', now, 'cached', 1, 'error_code', field(leader, 'error_code') or '',
      'error_detail', field(leader, 'error_detail') or '')
  end
end

-- Returns true when the job has to be computed; false when it waits for another or has its outcome.
-- An interactive job does not wait for one that itself still waits in another lane.
local function board(id, now)
  local flight = flight_key(field(id, 'flight'))
  local leader = redis.call('GET', flight)
  local state = leader and leader ~= id and field(leader, 'state')
  if state == 'succeeded' then
    share(id, leader, now)
    return false
  end
  local ahead = state == 'running' or (state == 'queued' and field(leader, 'lane') == field(id, 'lane'))
  if ahead and not field(leader, 'cancel') then
    redis.call('HSET', job_key(id), 'follows', leader)
    redis.call('ZADD', followers_key(leader), field(id, 'place'), id)
    look_again(id, now)
    return false
  end
  redis.call('SET', flight, id)
  return true
end

-- A success stays for those who ask the same later; a failure is shared with those who wait; where
-- there is no outcome to share, the first of them computes, and the sweep tells the others.
local function land(id, state, now)
  local fingerprint = field(id, 'flight')
  if not fingerprint then return end
  local flight = flight_key(fingerprint)
  local mine = redis.call('GET', flight) == id
  if mine and state == 'succeeded' and policy.cache_ms > 0 then
    redis.call('PEXPIRE', flight, policy.cache_ms)
  elseif mine then
    redis.call('DEL', flight)
  end
  if state == 'succeeded' or state == 'failed' then
    for _, follower in ipairs(redis.call('ZRANGE', followers_key(id), 0, SHARED_AT_ONCE - 1)) do
      share(follower, id, now)
    end
    return
  end
  local heir = redis.call('ZRANGE', followers_key(id), 0, 0)[1]
  if heir then
    unfollow(heir)
    if board(heir, now) then make_ready(heir, now) end
  end
end

-- How long the record is kept: the retention, and no shorter than its webhook is tried.
local function keep(id, finished, now)
  local kept = policy.retention_ms
  if field(id, 'webhook') then kept = math.max(kept, policy.webhook_ms) end
  redis.call('PEXPIRE', job_key(id), finished + kept - now)
end

function settle(id, state, now, ...)
  unqueue(id)
  unclaim(id)
  unfollow(id)
  leave(id, now)
  redis.call('ZREM', DUE, id)
  redis.call('HSET', job_key(id), 'state', state, 'finished_ms', now, ...)
  keep(id, now, now)
  redis.call('HINCRBY', BOOKS, state, 1)
  if state ~= 'succeeded' or field(id, 'cached') then redis.call('ZADD', UNFILED, now, id) end
  if state == 'failed' then mourn(id, now) end
  if field(id, 'webhook') then post(id, field(id, 'webhook'), now) end
  announce(id, state)
  land(id, state, now)
end

-- The client or the deadline has the last word over another attempt.
local function called_off(id, now)
  if field(id, 'cancel') then
    settle(id, 'cancelled', now)
    return true
  elseif past_deadline(id, now) then
    settle(id, 'expired', now)
    return true
  end
  return false
end
