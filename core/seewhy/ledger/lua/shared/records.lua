-- ARGV[1]: the arguments of the call as a JSON object. `settings` precedes these definitions.
local args = cjson.decode(ARGV[1])

-- Return a field of a job, or false when it is unset or empty.
local function field(id, name)
  local value = redis.call('HGET', job_key(id), name)
  return value ~= '' and value or false
end

-- Return several fields of a job in one call, each as `field` does.
local function read_fields(id, ...)
  local values = redis.call('HMGET', job_key(id), ...)
  for n, value in ipairs(values) do values[n] = value ~= '' and value or false end
  return unpack(values)
end

local function set_hash(key, fields)
  local flat = {}
  for name, value in pairs(fields) do
    table.insert(flat, name)
    table.insert(flat, value)
  end
  redis.call('HSET', key, unpack(flat))
end

local function tenant_in(context) return cjson.decode(context).tenant end

local function tenant_of(id)
  local context = field(id, 'context')
  return context and tenant_in(context)
end

-- The server process. Another one, after a restart or a failover, may lack the last writes.
local function server_id() return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') end

local function is_open(state) return state == 'queued' or state == 'running' end

local function past_deadline(id, now)
  local deadline = field(id, 'deadline_ms')
  return deadline and tonumber(deadline) <= now
end

local function publish_event(id, state)
  redis.call('XADD', EVENTS, 'MAXLEN', '~', settings.max_events, '*', 'id', id, 'state', state)
end

-- What a job costs; jobs of earlier versions have no cost.
local function cost_in(text) return tonumber(text or settings.pass_cost) end

local function unclaim(id, owner, lane, cost)
  redis.call('SREM', claimed_key(owner), id)
  redis.call('HDEL', job_key(id), 'owner', 'exposed')
  if redis.call('ZREM', running_key(lane), id) == 0 then return end
  if redis.call('EXISTS', running_key(lane)) == 1 then
    redis.call('HINCRBY', RUNNING_COST, lane, -cost_in(cost))
  else
    redis.call('HDEL', RUNNING_COST, lane)
  end
end

-- Only the current fence may change a claimed job (I4). A call with the fence of a crash shows that
-- the worker is alive and only lost its lease, which is no evidence against the job.
local function is_current(claim)
  local id = claim.job_id
  local state, fence, crash_fence = read_fields(id, 'state', 'fence', 'crash_fence')
  if is_open(state) and tonumber(crash_fence) == claim.fence then
    redis.call('HDEL', job_key(id), 'crash_fence')
    redis.call('HINCRBY', job_key(id), 'exposed_crashes', -1)
  end
  return state == 'running' and tonumber(fence) == claim.fence
end

-- Call `change` for each current claim; answer 1 for each claim that it changed, else 0.
local function change_claimed(claims, change)
  local applied = {}
  for n, claim in ipairs(claims) do
    applied[n] = is_current(claim) and change(claim) ~= false and 1 or 0
  end
  return applied
end

-- Remove the oldest entries of a list of job ids, more than were added since the last call.
local function trim(list, oldest)
  local old = redis.call('ZRANGE', list, '-inf', oldest, 'BYSCORE', 'LIMIT', 0, 10)
  if old[1] then redis.call('ZREM', list, unpack(old)) end
end

-- Bind an idempotency key to an accepted job.
local function bind_key(key, id, ttl_ms)
  local name = idempotency_key(key.digest)
  redis.call('HSET', name, 'request_digest', key.request_digest, 'job_id', id, 'accepted', 1)
  redis.call('PEXPIRE', name, ttl_ms)
end

-- Bind the key of a restored job or batch, for what is left of its time.
local function restore_key(key, id, submitted, now)
  local ttl_ms = submitted + settings.idempotency_ttl_ms - now
  local bound = key and redis.call('HGET', idempotency_key(key.digest), 'job_id')
  if key and ttl_ms > 0 and (not bound or bound == id) then bind_key(key, id, ttl_ms) end
end
