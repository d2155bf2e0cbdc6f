#!lua
-- args: job_id, fields, submitted_ms, deadline_ms?, key?, as in submit.lua,
--       outcome? {state, finished_ms, ...} -> 1 | 0
local id, fields, outcome = args.job_id, args.fields, args.outcome
if redis.call('EXISTS', job_key(id)) == 1 then return 0 end
local now = now_ms()
local submitted = math.min(args.submitted_ms, now)
if outcome and outcome.finished_ms + settings.retention_ms <= now then return 0 end

-- The fence is above that of every claim from before the loss. The sequence number precedes every
-- job accepted since the loss and keeps the order of submission.
fields.state, fields.submitted_ms, fields.fence = 'queued', submitted, now
fields.attempts, fields.crashes = 0, 0
fields.sequence = submitted - 10000000000000
if args.deadline_ms then fields.deadline_ms = submitted + args.deadline_ms end
for name, value in pairs(outcome or {}) do fields[name] = value end
set_hash(job_key(id), fields)
redis.call('HINCRBY', COUNTERS, 'accepted', 1)
restore_key(args.key, id, submitted, now)
count_in_batch(fields.batch, nil, fields.state)
list_latest(id, tenant_in(fields.context))

if outcome then
  local finished = outcome.finished_ms
  shrink_record(id)
  expire_record(id, tenant_in(fields.context), fields.webhook_url, now)
  redis.call('HINCRBY', COUNTERS, outcome.state, 1)
  if outcome.state == 'failed' then redis.call('ZADD', DEAD_LETTERS, finished, id) end
  -- The ledger lost whether it was delivered. The message id lets a receiver ignore a repetition.
  if fields.webhook_url and now < finished + settings.webhook_retention_ms then
    add_delivery(id, fields.webhook_url, now)
  end
else
  count_opened(fields.lane, fields.context)
  make_ready(id, now)
  redis.call('ZADD', DUE, now, id)
end
publish_event(id, fields.state)
return 1
