-- Shared by all scripts. Keys:
--   seewhy:job:<id>      hash    one job
--   seewhy:due           zset    every non-terminal job -> when someone must look again (I1)
--   seewhy:lane:<lane>   zset    ready jobs -> place
--   seewhy:alone:<lane>  zset    ready jobs that must run with nothing beside them -> place
--   seewhy:held:<owner>  set     jobs that an owner has claimed
--   seewhy:key:<digest>  hash    one idempotency key
--   seewhy:books         hash    accepted, one counter per terminal state, last place
--   seewhy:events        stream  state changes, capped
--   seewhy:unfiled       zset    outcomes that the object store is still to be told -> when
--   seewhy:dead          zset    failed jobs that nobody has dealt with -> when
--   seewhy:lead          hash    who puts the ledger right after a loss, and until when
--   seewhy:epoch         hash    which store's jobs are here, and the server that took them in
--   seewhy:hints:<lane>  list    Celery's own: the messages that ring for a lane
local DUE, BOOKS, EVENTS = 'seewhy:due', 'seewhy:books', 'seewhy:events'
local UNFILED, DEAD = 'seewhy:unfiled', 'seewhy:dead'
local LEAD, EPOCH = 'seewhy:lead', 'seewhy:epoch'
local function job_key(id) return 'seewhy:job:' .. id end
local function lane_key(lane) return 'seewhy:lane:' .. lane end
local function alone_key(lane) return 'seewhy:alone:' .. lane end
local function held_key(owner) return 'seewhy:held:' .. owner end

local policy = cjson.decode(ARGV[1])

local function field(id, name)
  local value = redis.call('HGET', job_key(id), name)
  return value ~= '' and value or false
end

local function announce(id, state)
  redis.call('XADD', EVENTS, 'MAXLEN', '~', policy.events_kept, '*', 'id', id, 'state', state)
end

local function unclaim(id)
  local owner = field(id, 'owner')
  if owner then
    redis.call('SREM', held_key(owner), id)
    redis.call('HDEL', job_key(id), 'owner')
  end
end

-- A dead letter is kept as long as the record it stands for.
local function mourn(id, now)
  redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', now - policy.retention_ms)
  redis.call('ZADD', DEAD, now, id)
end

local function settle(id, state, now, ...)
  local lane = field(id, 'lane')
  redis.call('ZREM', lane_key(lane), id)
  redis.call('ZREM', alone_key(lane), id)
  redis.call('ZREM', DUE, id)
  unclaim(id)
  redis.call('HSET', job_key(id), 'state', state, 'finished_ms', now, ...)
  redis.call('PEXPIRE', job_key(id), policy.retention_ms)
  redis.call('HINCRBY', BOOKS, state, 1)
  if state ~= 'succeeded' then redis.call('ZADD', UNFILED, now, id) end
  if state == 'failed' then mourn(id, now) end
  announce(id, state)
end

local function past_deadline(id, now)
  local deadline = field(id, 'deadline_ms')
  return deadline and tonumber(deadline) <= now
end

-- The older a waiting job, the less often it is looked at: a long backlog stays cheap.
local function look_again(id, now)
  local age = now - tonumber(field(id, 'submitted_ms'))
  local at = now + math.max(policy.look_ms, math.min(age, policy.look_limit_ms))
  local deadline = field(id, 'deadline_ms')
  if deadline then at = math.min(at, tonumber(deadline)) end
  redis.call('ZADD', DUE, at, id)
end

local function make_ready(id, now)
  local lane = field(id, 'lane')
  local queue = field(id, 'alone') and alone_key(lane) or lane_key(lane)
  redis.call('ZADD', queue, field(id, 'place'), id)
  look_again(id, now)
  return lane
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

local function requeue(id)
  unclaim(id)
  redis.call('HSET', job_key(id), 'state', 'queued')
  announce(id, 'queued')
end

-- One hint per so many waiting jobs, less the hints that nobody has taken from the broker yet.
local function hints_wanted(lane)
  local waiting = redis.call('ZCARD', lane_key(lane)) + redis.call('ZCARD', alone_key(lane))
  local wanted = math.min(math.ceil(waiting / policy.hint_every), policy.hints_at_most)
  return math.max(0, wanted - redis.call('LLEN', 'seewhy:hints:' .. lane))
end
