-- How a job is accepted, alone or as an item of a batch.

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
  return not fields.fingerprint or coalesce(id, now)
end
