-- Batches: collections of jobs under one id. A batch counts its jobs by state.

-- Count a job of a batch in its new state; `from` is nil for a new job. Return whether the batch is
-- known: a job may outlive it.
local function count_in_batch(batch, from, to)
  if not batch or redis.call('EXISTS', batch_key(batch)) == 0 then return false end
  if from then redis.call('HINCRBY', batch_key(batch), from, -1) end
  redis.call('HINCRBY', batch_key(batch), to, 1)
  return true
end

local function add_batch(id, fields, created)
  fields.state = fields.listing and 'listing' or 'accepting'
  fields.created_ms, fields.position = created, 0
  set_hash(batch_key(id), fields)
  redis.call('HINCRBY', OPEN_BATCHES, tenant_in(fields.context), 1)
  redis.call('ZADD', BATCHES_DUE, now_ms(), id)
end

-- Whether `owner` holds the lease of a batch that waits for it.
local function holds_batch(id, owner)
  return redis.call('HGET', batch_key(id), 'acceptor') == owner
    and redis.call('ZSCORE', BATCHES_DUE, id)
end
