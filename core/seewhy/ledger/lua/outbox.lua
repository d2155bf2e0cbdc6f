-- Webhooks: a row for each job that has ended and whose client wants to be called.

local function origin_of(url) return string.match(url, '^%a+://[^/?#]+') end

-- An origin is due when its first row is.
local function readdress(origin)
  local first = redis.call('ZRANGE', rows_key(origin), 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('ZADD', OUTBOX, first[2], origin)
  else
    redis.call('ZREM', OUTBOX, origin)
    redis.call('HDEL', COURIERS, origin)
  end
end

local function post(id, url, at)
  redis.call('HSET', job_key(id), 'webhook_state', 'pending', 'webhook_attempts', 0)
  redis.call('ZADD', rows_key(origin_of(url)), at, id)
  redis.call('ZREM', UNDELIVERED, id)
  readdress(origin_of(url))
end
