-- The outbox: one row for each finished job with a webhook, grouped by the webhook's origin.

local delivery_added = false

local function origin_of(url) return string.match(url, '^%a+://[^/?#]+') end

-- An origin is due when its first row is.
local function schedule_origin(origin)
  local first = redis.call('ZRANGE', origin_key(origin), 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('ZADD', OUTBOX, first[2], origin)
  else
    redis.call('ZREM', OUTBOX, origin)
    redis.call('HDEL', ORIGIN_LEASES, origin)
  end
end

local function add_delivery(id, url, at)
  redis.call('HSET', job_key(id), 'webhook_state', 'pending', 'webhook_attempts', 0)
  redis.call('ZADD', origin_key(origin_of(url)), at, id)
  redis.call('ZREM', UNDELIVERED, id)
  schedule_origin(origin_of(url))
  delivery_added = true
end

local function is_leased(origin, now)
  return tonumber(redis.call('HGET', ORIGIN_LEASES, origin) or 0) > now
end

local function due_origins(now) return redis.call('ZRANGE', OUTBOX, '-inf', now, 'BYSCORE') end

-- One wakeup for each origin that is due and not leased, less the messages that nobody has read yet.
local function dispatcher_wakeups_needed(now)
  local wanted = 0
  for _, origin in ipairs(due_origins(now)) do
    if not is_leased(origin, now) then wanted = wanted + 1 end
    if wanted == settings.max_wakeups then break end
  end
  return math.max(0, wanted - redis.call('LLEN', settings.dispatcher_queue))
end
