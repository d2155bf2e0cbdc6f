#!lua
-- args: job_id, fields {lane, context, fingerprint?, webhook_url?, ...}, deadline_ms?,
--       key? {digest, request_digest}, charge? {key_id, passes, quotas}
--       -> {created, notify, limit {scope or quota, retry in ms, what is left} or {},
--           what is left of the quotas of a minute {{amount, reset in ms}, {...}}?}
-- `fields` are stored as they are; the ledger reads only those named in these scripts.
local id, fields, charge = args.job_id, args.fields, args.charge
if redis.call('EXISTS', job_key(id)) == 1 then return { 0, 0, {} } end
local now, tenant = now_ms(), tenant_in(fields.context)
local use = charge and recent_use(charge.key_id, now)
local limit = reached_limit(fields.lane, tenant, now)
  or charge and reached_quota(charge, use, fields.lane, tenant, now)
if limit then return { 0, 0, limit } end
if args.key then bind_key(args.key, id, settings.idempotency_ttl_ms) end
local computes = add_job(id, fields, 0, args.deadline_ms, now)
local left = charge and take_quota(id, charge, use, computes, now) or nil
if not computes then return { 1, 0, {}, left } end
make_ready(id, now)
return { 1, wakeups_needed(fields.lane) > 0 and 1 or 0, {}, left }
