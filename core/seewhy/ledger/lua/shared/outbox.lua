-- The outbox: one row for each finished job or batch with a webhook, grouped by the webhook's origin.

local delivery_added = false

local function origin_of(url) return string.match(url, '^%a+://[^/?#]+') end

-- An origin is due when its first row is, and not before the end of its lease or pause.
local function schedule_origin(origin)
  local first = redis.call('ZRANGE', origin_key(origin), 0, 0, 'WITHSCORES')
  if first[2] then
    local leased_until = tonumber(redis.call('HGET', ORIGIN_LEASES, origin) or 0)
    redis.call('ZADD', OUTBOX, math.max(tonumber(first[2]), leased_until), origin)
  else
    redis.call('ZREM', OUTBOX, origin)
    redis.call('HDEL', ORIGIN_LEASES, origin)
  end
end

local function add_delivery(id, url, at)
  redis.call('HSET', record_key(id), 'webhook_state', 'pending', 'webhook_attempts', 0)
  redis.call('ZADD', origin_key(origin_of(url)), at, id)
  redis.call('ZREM', UNDELIVERED, id)
  schedule_origin(origin_of(url))
  delivery_added = true
end

-- One wakeup for each origin that is due, less the messages that nobody has read yet.
local function dispatcher_wakeups_needed(now)
  local wanted = math.min(redis.call('ZCOUNT', OUTBOX, '-inf', now), settings.max_wakeups)
  return math.max(0, wanted - redis.call('LLEN', settings.dispatcher_queue))
end
