-- Coalescing: jobs with the same fingerprint are computed once. The original is the job that
-- computes; its duplicates wait and receive its outcome.

local shareable = settings.max_shared  -- how many duplicates this call may still finish
local finish  -- defined in finish.lua: it shares outcomes, and sharing finishes duplicates

-- The longer a duplicate waits, the less often the sweep checks it.
local function schedule_duplicate(id, now)
  local submitted, deadline = read_fields(id, 'submitted_ms', 'deadline_ms')
  local age = now - tonumber(submitted)
  local in_ms = math.max(settings.recheck_ms, math.min(age, settings.recheck_max_ms))
  schedule_recheck(id, now, deadline, in_ms)
end

local function detach(id, original)
  redis.call('ZREM', duplicates_key(original), id)
  redis.call('HDEL', job_key(id), 'duplicate_of')
end

-- Finish a duplicate with the outcome of its original.
local function share_outcome(id, original, now)
  if field(original, 'state') == 'succeeded' then
    finish(id, 'succeeded', now, 'cached', 1, 'result', field(original, 'result') or '')
  else
    finish(id, 'failed', now, 'cached', 1, 'error_code', field(original, 'error_code') or '',
      'error_detail', field(original, 'error_detail') or '')
  end
end

-- Finish the duplicates of an original. When this call may not finish all, the next one is due at
-- once, so that the sweep continues with it.
local function share_with_duplicates(original, now)
  for _, id in ipairs(redis.call('ZRANGE', duplicates_key(original), 0, shareable)) do
    if shareable == 0 then
      redis.call('ZADD', DUE, now, id)
      return
    end
    shareable = shareable - 1
    share_outcome(id, original, now)
  end
end

-- Return true when the job must be computed; false when it is now a duplicate or has finished.
-- An interactive job does not wait for a job that is still queued in another lane.
local function coalesce(id, now)
  local key = coalesced_key(field(id, 'fingerprint'))
  local original = redis.call('GET', key)
  local state = original and original ~= id and field(original, 'state')
  if state == 'succeeded' then
    share_outcome(id, original, now)
    return false
  end
  local goes_first = state == 'running'
    or (state == 'queued' and field(original, 'lane') == field(id, 'lane'))
  if goes_first and not field(original, 'cancel_requested') then
    redis.call('HSET', job_key(id), 'duplicate_of', original)
    redis.call('ZADD', duplicates_key(original), field(id, 'sequence'), id)
    schedule_duplicate(id, now)
    return false
  end
  redis.call('SET', key, id)
  return true
end

-- Give a duplicate without an original another one, or compute it.
local function reassign(id, original, now)
  detach(id, original)
  if not coalesce(id, now) then return end
  take_owed(id, now)
  make_ready(id, now)
end

-- Share the outcome of an original. Later requests receive a success too, for `cache_ms`, but not a
-- failure. Without an outcome to share, the first duplicate becomes the original; the sweep attaches
-- the others to it.
local function finish_duplicates(id, fingerprint, state, now)
  local key = coalesced_key(fingerprint)
  local is_original = redis.call('GET', key) == id
  if is_original and state == 'succeeded' and settings.cache_ms > 0 then
    redis.call('PEXPIRE', key, settings.cache_ms)
  elseif is_original then
    redis.call('DEL', key)
  end
  if state == 'succeeded' or state == 'failed' then
    share_with_duplicates(id, now)
    return
  end
  local successor = redis.call('ZRANGE', duplicates_key(id), 0, 0)[1]
  if successor then reassign(successor, id, now) end
end
