-- How a job receives its outcome.

-- Dead letters expire with their records.
local function add_dead_letter(id, now)
  trim(DEAD_LETTERS, now - settings.retention_ms)
  redis.call('ZADD', DEAD_LETTERS, now, id)
end

-- Keep a record for the retention, and at least as long as its webhook may be retried.
local function expire_record(id, tenant, has_webhook, now)
  local state, cached, finished = read_fields(id, 'state', 'cached', 'finished_ms')
  local retention_ms = settings.retention_ms
  if has_webhook then
    retention_ms = math.max(retention_ms, settings.webhook_retention_ms)
  end
  redis.call('PEXPIRE', job_key(id), finished + retention_ms - now)
  if cached or state == 'cancelled' or state == 'expired' then
    count_uncomputed(tenant, finished, retention_ms, now)
  end
end

-- Keep the record of an ended batch for the retention, and deliver its webhook.
local function expire_batch(id, webhook_url, finished, now)
  local retention_ms = settings.retention_ms
  if webhook_url then
    retention_ms = math.max(retention_ms, settings.webhook_retention_ms)
    if now < finished + settings.webhook_retention_ms then
      add_delivery(BATCH_PREFIX .. id, webhook_url, now)
    end
  end
  redis.call('PEXPIRE', batch_key(id), finished + retention_ms - now)
end

-- Count how long a job took, by its priority, in the first bucket whose upper bound is not below.
local function count_duration(lane, took_ms)
  local priority = string.match(lane, '^[^:]*:([^:]*)')
  local bucket = #settings.duration_buckets_ms + 1
  for n, bound_ms in ipairs(settings.duration_buckets_ms) do
    if took_ms <= bound_ms then
      bucket = n
      break
    end
  end
  redis.call('HINCRBY', DURATIONS, priority .. ':' .. bucket, 1)
  redis.call('HINCRBY', DURATIONS, priority .. ':sum_ms', took_ms)
end

local function finish_batch(id, state, now)
  local key = batch_key(id)
  local context, webhook_url = unpack(redis.call('HMGET', key, 'context', 'webhook_url'))
  redis.call('HSET', key, 'state', state, 'finished_ms', now)
  redis.call('ZREM', BATCHES_DUE, id)
  redis.call('ZADD', UNARCHIVED_BATCHES, now, id)
  count_down(OPEN_BATCHES, tenant_in(context))
  expire_batch(id, webhook_url, now, now)
end

-- Give a batch its outcome if all its items have one.
local function end_batch(id, now)
  local state, queued, running, cancelled = unpack(
    redis.call('HMGET', batch_key(id), 'state', 'queued', 'running', 'cancel_requested'))
  if state ~= 'running' or tonumber(queued or 0) + tonumber(running or 0) > 0 then return end
  finish_batch(id, cancelled and 'cancelled' or 'finished', now)
end

-- Delete what only an open job needs: the record of an ended one is kept for long.
local function shrink_record(id)
  redis.call('HDEL', job_key(id), 'sequence', 'fingerprint', 'crash_fence', 'owed_passes')
end

function finish(id, state, now, ...)
  local lane, context, owner, original, started, webhook_url, fingerprint, batch, before, cost,
    submitted = read_fields(id, 'lane', 'context', 'owner', 'duplicate_of', 'started_ms',
      'webhook_url', 'fingerprint', 'batch', 'state', 'cost', 'submitted_ms')
  dequeue(id, lane, tenant_in(context), cost)
  if owner then unclaim(id, owner, lane, cost) end
  if original then detach(id, original) end
  count_closed(lane, context, started, cost, now)
  redis.call('ZREM', DUE, id)
  redis.call('HSET', job_key(id), 'state', state, 'finished_ms', now, ...)
  shrink_record(id)
  expire_record(id, tenant_in(context), webhook_url, now)
  redis.call('HINCRBY', COUNTERS, state, 1)
  if state ~= 'succeeded' or field(id, 'cached') then
    redis.call('ZADD', UNARCHIVED, now, id)
  else
    count_duration(lane, math.max(0, now - tonumber(submitted)))
  end
  if state == 'failed' then add_dead_letter(id, now) end
  if webhook_url then add_delivery(id, webhook_url, now) end
  publish_event(id, state)
  if count_in_batch(batch, before, state) then end_batch(batch, now) end
  if fingerprint then finish_duplicates(id, fingerprint, state, now) end
end

-- Before another attempt: finish the job if its client cancelled it or its deadline has passed.
local function cancel_or_expire(id, now)
  if field(id, 'cancel_requested') then
    finish(id, 'cancelled', now)
    return true
  elseif past_deadline(id, now) then
    finish(id, 'expired', now)
    return true
  end
  return false
end

-- Cancel a queued job, or ask for the end of a running one.
local function cancel_job(id, now)
  local state = field(id, 'state')
  if not is_open(state) then return end
  redis.call('HSET', job_key(id), 'cancel_requested', 1)
  if state == 'queued' then finish(id, 'cancelled', now) end
end
