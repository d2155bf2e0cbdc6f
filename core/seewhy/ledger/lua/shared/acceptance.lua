-- How a job is accepted, alone or as an item of a batch.

-- List a job among the latest of its tenant. Ids sort by the time of their creation.
local function list_latest(id, tenant)
  local key = latest_key(tenant)
  redis.call('ZADD', key, 0, id)
  redis.call('ZREMRANGEBYRANK', key, 0, -settings.max_latest - 1)
  redis.call('PEXPIRE', key, math.max(settings.retention_ms, settings.webhook_retention_ms))
end

-- Add a queued job; return whether it must be computed.
local function add_job(id, fields, fence, deadline_ms, now)
  fields.state, fields.submitted_ms = 'queued', now
  fields.attempts, fields.crashes, fields.fence = 0, 0, fence
  fields.sequence = redis.call('HINCRBY', COUNTERS, 'sequence', 1)
  if deadline_ms then fields.deadline_ms = now + deadline_ms end
  set_hash(job_key(id), fields)
  redis.call('HINCRBY', COUNTERS, 'accepted', 1)
  count_opened(fields.lane, fields.context)
  count_in_batch(fields.batch, nil, 'queued')
  list_latest(id, tenant_in(fields.context))
  return not fields.fingerprint or coalesce(id, now)
end
