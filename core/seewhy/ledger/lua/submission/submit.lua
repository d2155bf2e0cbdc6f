-- args: job_id, fields {lane, context, fingerprint?, webhook_url?, ...}, deadline_ms?,
--       key? {digest, request_digest} -> {created, notify, scope of the limit or '', retry in ms}
-- `fields` are stored as they are; the ledger reads only those named here.
local id, fields = args.job_id, args.fields
if redis.call('EXISTS', job_key(id)) == 1 then return { 0, 0, '', 0 } end
local now, tenant = now_ms(), tenant_in(fields.context)
local limit = reached_limit(fields.lane, tenant, now)
if limit then return { 0, 0, limit[1], limit[2] } end
fields.state, fields.submitted_ms = 'queued', now
fields.attempts, fields.crashes, fields.fence = 0, 0, 0
fields.sequence = redis.call('HINCRBY', COUNTERS, 'sequence', 1)
if args.deadline_ms then fields.deadline_ms = now + args.deadline_ms end
set_fields(id, fields)
if args.key then bind_key(args.key, id, settings.idempotency_ttl_ms) end
redis.call('HINCRBY', COUNTERS, 'accepted', 1)
count_opened(fields.lane, tenant)
if fields.fingerprint and not coalesce(id, now) then return { 1, 0, '', 0 } end
make_ready(id, now)
return { 1, wakeups_needed(fields.lane) > 0 and 1 or 0, '', 0 }
